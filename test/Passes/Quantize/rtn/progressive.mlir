// Progressive groups: 4-bit codes with integer scales and zero points that make a layer's 8-bit weight; gptq has them
// as well. What they cannot be combined with is one message.
//
// RUN: quant-opt %s --rtn="activations=per-token progressive=true group-size=4 only=[ab]" | FileCheck %s
// RUN: not quant-opt %s --rtn="progressive=true group-size=4 only=[ab]" -o %t 2>&1 | FileCheck %s --check-prefix=FLOAT
// RUN: not quant-opt %s --rtn="activations=per-token progressive=true bits=3 group-size=4 only=a" -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not quant-opt %s --rtn="activations=per-token progressive=true group-size=-1 only=a" -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: quant-opt %s --rtn="activations=per-token progressive=true group-size=4 fake=true only=a" | FileCheck %s --check-prefix=FAKE
// RUN: quant-opt %s --rtn="activations=per-token progressive=true group-size=4 only=[ab]" --write-report="file=%t.json" -o %t && FileCheck %s --check-prefix=REPORT --input-file=%t.json

// The row's greatest value is 119: its scale is 1. Group 0 is within [-119, 119]: 15 steps of 15, in steps of which 119
// is 8 and -119 is -8; group 1 within [0, 15], which 16 steps of 1 hold; group 2 within [-5, 10.5], 16 steps of 1 too.
// CHECK: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize
// CHECK-DAG: %[[C:.*]] = arith.constant {ptq.key = "a.weight_packed"} dense_resource<a.weight_packed> : tensor<1x2xi32>
// CHECK-DAG: %[[GS:.*]] = arith.constant {ptq.key = "a.weight_group_scale"} dense_resource<a.weight_group_scale> : tensor<1x3xi8>
// CHECK-DAG: %[[GZ:.*]] = arith.constant {ptq.key = "a.weight_zero_point"} dense_resource<a.weight_zero_point> : tensor<1x3xi8>
// CHECK: %[[W:.*]] = ptq.expand_groups %[[C]], %[[GS]], %[[GZ]] {bits = 4 : i64} : (tensor<1x2xi32>, tensor<1x3xi8>, tensor<1x3xi8>) -> tensor<1x12xi8>
// CHECK: %[[WS:.*]] = arith.constant {ptq.key = "a.weight_scale"} dense<1.000000e+00> : tensor<1x1xf32>
// CHECK: ptq.integer_linear %[[Q]], %[[S]], %[[W]], %[[WS]] {{.*}}layer = "a"{{.*}}weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
// CHECK-NOT: ptq.dynamic_quantize
// CHECK: ptq.expand_groups
// CHECK: ptq.integer_linear %[[Q]], %[[S]], {{.*}}layer = "b"
// CHECK-DAG: a.weight_packed: "0x04000000F0780F05F0350000"
// CHECK-DAG: a.weight_group_scale: "0x010000000F0101"
// CHECK-DAG: a.weight_zero_point: "0x0100000000F8FD"

// FLOAT: error: rtn: layer 'a' has float activations, but progressive groups are for integer ones: activations=per-token, or progressive=false
// BITS: error: rtn: layer 'a': progressive groups have integers of 4 bits with zero points

// FAKE: ptq.quantize {{.*}}scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>
// FAKE: ptq.dequantize
// FAKE: ptq.linear {{.*}}layer = "a"

// REPORT: "scheme": "W4A8: int4 per_group in int8 per_channel, activations int8 symmetric per_token dynamic"
func.func @main(%x: tensor<?x12xf32> {ptq.input = "x"}) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %a = arith.constant {ptq.key = "a.weight"} dense<[[-119.0, 119.0, 0.0, -7.6, 15.0, 0.0, 5.4, -0.0, -5.0, 10.5, 0.0, -2.5]]> : tensor<1x12xf32>
  %b = arith.constant {ptq.key = "b.weight"} dense<[[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, -4.0]]> : tensor<1x12xf32>
  %0 = ptq.linear %x, %a {layer = "a"} : (tensor<?x12xf32>, tensor<1x12xf32>) -> tensor<?x1xf32>
  %1 = ptq.linear %x, %b {layer = "b"} : (tensor<?x12xf32>, tensor<1x12xf32>) -> tensor<?x1xf32>
  return %0, %1 : tensor<?x1xf32>, tensor<?x1xf32>
}
