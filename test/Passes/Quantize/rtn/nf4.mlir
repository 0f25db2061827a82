// A weight small enough to be rounded to NF4 by hand, its scales in floats and in 8 bits; and what a second pass makes
// of it: nothing.
//
// RUN: quant-opt %s --rtn="type=nf4 group-size=8 double-quantization=false only=." -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: quant-opt %t.mlir --rtn="bits=8 group-size=-1 only=." | FileCheck %s
// RUN: quant-opt %s --rtn="type=nf4 group-size=8 only=." | FileCheck %s --check-prefix=DOUBLE
//
// Divided by their absmax, 2, the first row is 1, -1, 0, 0.16, -0.4, 0.44, 0.72 and 0.08: entries 15, 0, 7, 9, 3, 12,
// 14 and 8 of the table, first in the lowest bits: 0x8EC3970F. The second row is half the first one. The scales 2 and 1
// are 1.5 and ±0.5, the entries 255 and 1 of the table for scales.

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = arith.constant {ptq.key = "nf4_codebook"} dense_resource<nf4_codebook> : tensor<16xf32>
// CHECK: %[[Q:.*]] = arith.constant {ptq.key = "fc.weight_packed"} dense_resource<fc.weight_packed> : tensor<2x1xi32>
// CHECK: %[[S:.*]] = arith.constant {ptq.key = "fc.weight_scale"} dense_resource<fc.weight_scale> : tensor<2x1xf32>
// CHECK: %[[W:.*]] = ptq.lookup_dequantize %[[Q]], %[[T]], %[[S]] {bits = 4 : i64, group_size = 8 : i64}
// CHECK: ptq.linear %{{.*}}, %[[W]] {layer = "fc"
// CHECK-NOT: weight_only_linear
// CHECK-DAG: fc.weight_packed: "0x040000000F97C38E0F97C38E"
// CHECK-DAG: fc.weight_scale: "0x04000000000000400000803F"

// DOUBLE: %[[N:.*]] = arith.constant {ptq.key = "scale_codebook"} dense_resource<scale_codebook> : tensor<256xf32>
// DOUBLE: %[[T:.*]] = arith.constant {ptq.key = "nf4_codebook"}
// DOUBLE: %[[Q:.*]] = arith.constant {ptq.key = "fc.weight_packed"} dense_resource<fc.weight_packed> : tensor<2x1xi32>
// DOUBLE: %[[C:.*]] = arith.constant {ptq.key = "fc.weight_scale_packed"} dense<511> : tensor<1x1xi32>
// DOUBLE: %[[A:.*]] = arith.constant {ptq.key = "fc.weight_scale_scale"} dense<5.000000e-01> : tensor<1x1xf32>
// DOUBLE: %[[M:.*]] = arith.constant {ptq.key = "fc.weight_scale_mean"} dense<1.500000e+00> : tensor<1xf32>
// DOUBLE: ptq.lookup_dequantize %[[C]], %[[N]], %[[A]] offset %[[M]] {bits = 8 : i64, group_size = 256 : i64} : {{.*}} -> tensor<1x2xf32>
// DOUBLE: %[[S:.*]] = tensor.expand_shape {{.*}} into tensor<2x1xf32>
// DOUBLE: ptq.lookup_dequantize %[[Q]], %[[T]], %[[S]] {bits = 4
// DOUBLE-DAG: fc.weight_packed: "0x040000000F97C38E0F97C38E"
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> tensor<3x2xf32> {
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[2.0, -2.0, 0.0, 0.32, -0.8, 0.88, 1.44, 0.16],
                                                     [1.0, -1.0, 0.0, 0.16, -0.4, 0.44, 0.72, 0.08]]> : tensor<2x8xf32>
  %y = ptq.linear %x, %w {layer = "fc"} : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
