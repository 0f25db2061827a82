// fake=true: the layer stays in float, between quantizations and dequantizations; it is not rounded again.
//
// RUN: quant-opt %s --rtn="bits=8 group-size=-1 fake=true only=[ab]" | FileCheck %s --check-prefix=WEIGHT
// RUN: quant-opt %s --rtn="bits=4 group-size=2 symmetric=false fake=true only=[ab]" | FileCheck %s --check-prefix=GROUP
// RUN: quant-opt %s --rtn="activations=per-token fake=true only=[ab]" | FileCheck %s --check-prefix=BOTH
// RUN: quant-opt %s --rtn="activations=per-token-int4 group-size=2 fake=true only=[ab]" | FileCheck %s --check-prefix=INT4
// RUN: quant-opt %s --rtn="bits=8 group-size=-1 fake=true only=[ab]" --rtn="bits=2 group-size=-1 only=a" | FileCheck %s --check-prefix=TWICE
// RUN: quant-opt %s --rtn="bits=8 group-size=-1 fake=true only=[ab]" --write-report=file=%t.json -o %t.mlir
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json
// RUN: quant-opt %s --rtn="only=c activations=per-token fake=true" | FileCheck %s --check-prefix=OUTLIERS
// RUN: not quant-opt %s --rtn="only=c activations=per-token group-size=3 fake=true" -o %t.none 2>&1 | FileCheck %s --check-prefix=ERROR

// WEIGHT: %[[W:.*]] = arith.constant {ptq.key = "a.weight"} dense<{{.*}}> : tensor<2x4xf32>
// WEIGHT: %[[S:.*]] = arith.constant {ptq.key = "a.weight_scale"} dense_resource<a.weight_scale> : tensor<2xf32>
// WEIGHT: %[[Q:.*]] = ptq.quantize %[[W]], %[[S]] {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<2x4xf32>, tensor<2xf32>) -> tensor<2x4xi8>
// WEIGHT: %[[D:.*]] = ptq.dequantize %[[Q]], %[[S]] {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
// WEIGHT: ptq.linear %{{.*}}, %[[D]] {layer = "a", ptq.report =

// GROUP: %[[S:.*]] = arith.constant {ptq.key = "a.weight_scale"} {{.*}} : tensor<2x2xf32>
// GROUP: %[[Z:.*]] = arith.constant {ptq.key = "a.weight_zero_point"} {{.*}} : tensor<2x2xi8>
// GROUP: ptq.quantize %{{.*}}, %[[S]] zero_points %[[Z]] {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(2)>}

// Layers share the activation's quantization.
// BOTH: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
// BOTH: %[[X:.*]] = ptq.dequantize %[[Q]], %[[S]]
// BOTH: ptq.linear %[[X]], %{{.*}} {layer = "a"
// BOTH-NOT: ptq.dynamic_quantize
// BOTH: ptq.linear %{{.*}}, %{{.*}} {layer = "b"

// INT4: ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>} : (tensor<3x4xf32>) -> (tensor<3x4xi8>, tensor<3xf32>)
// INT4: ptq.quantize {{.*}}bits = 4, symmetric, per_group(2)

// TWICE-NOT: bits = 2
// TWICE: ptq.linear

// REPORT: "method": "rtn"
// REPORT: "scheme": "int8 symmetric per_channel"

// What is no outlier is quantized; the rest is multiplied with the float weight.
// OUTLIERS: %[[C:.*]] = arith.constant {ptq.key = "c.outlier_columns"} dense<1> : tensor<1xi32>
// OUTLIERS: %[[R:.*]] = ptq.clear_columns %arg0, %[[C]]
// OUTLIERS: %[[T:.*]] = arith.subf %arg0, %[[R]]
// OUTLIERS: ptq.dynamic_quantize %[[R]]
// OUTLIERS: %[[Y:.*]] = ptq.linear %{{.*}}, %{{.*}} {layer = "c"
// OUTLIERS: %[[O:.*]] = ptq.linear %[[T]], %{{.*}} {layer = "c.outliers", ptq.keep_float
// OUTLIERS: %[[S:.*]] = arith.addf %[[Y]], %[[O]]
// OUTLIERS: math.tanh %[[S]]

// ERROR: error: rtn: layer 'c' has outlier columns and groups of the others, which fake=true has no form for; give group-size=-1
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}) -> (tensor<3x2xf32>, tensor<3x1xf32>, tensor<3x1xf32>) {
  %a = arith.constant {ptq.key = "a.weight"} dense<[[-2.6, 0.2, 7.6, 12.7], [32.0, 127.0, -126.5, -127.0]]> : tensor<2x4xf32>
  %b = arith.constant {ptq.key = "b.weight"} dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %0 = ptq.linear %x, %a {layer = "a"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %1 = ptq.linear %x, %b {layer = "b"} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %2 = ptq.linear %x, %b {layer = "c", outliers = #ptq.outliers<threshold = 6.0 : f64, dynamic = false, dequantized = false, columns = [1]>}
     : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %3 = math.tanh %0 : tensor<3x2xf32>
  %4 = math.tanh %1 : tensor<3x1xf32>
  %5 = math.tanh %2 : tensor<3x1xf32>
  return %3, %4, %5 : tensor<3x2xf32>, tensor<3x1xf32>, tensor<3x1xf32>
}
