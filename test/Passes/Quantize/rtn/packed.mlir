// Integers, scales and packing of a weight small enough to be rounded by hand.
//
// RUN: quant-opt %s --rtn="bits=4 group-size=8 only=." | FileCheck %s
//
// With absmax 7.5 the scale is 2·7.5/15 = 1. The first row rounds, half to even, to 7 (8 is clamped), -8, 0, 2, 2,
// 0, -2, 3; plus 8, first in the lowest bits: 0xB68AA80F. The second row is the first one halved, with scale 0.5.

// CHECK-LABEL: func.func @main
// CHECK: %[[Q:.*]] = arith.constant {ptq.key = "fc.weight_packed"} dense_resource<fc.weight_packed> : tensor<2x1xi32>
// CHECK: %[[S:.*]] = arith.constant {ptq.key = "fc.weight_scale"} dense_resource<fc.weight_scale> : tensor<2x1xf32>
// CHECK: ptq.weight_only_linear %{{.*}}, %[[Q]], %[[S]] {{.*}}scheme = #ptq.scheme<bits = 4, symmetric, per_group(8)>
// CHECK-DAG: fc.weight_packed: "0x040000000FA88AB60FA88AB6"
// CHECK-DAG: fc.weight_scale: "0x040000000000803F0000003F"
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> tensor<3x2xf32> {
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[7.5, -7.5, 0.5, 1.5, 2.5, -0.5, -1.5, 3.0],
                                                     [3.75, -3.75, 0.25, 0.75, 1.25, -0.25, -0.75, 1.5]]> : tensor<2x8xf32>
  %y = ptq.linear %x, %w {layer = "fc"} : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
