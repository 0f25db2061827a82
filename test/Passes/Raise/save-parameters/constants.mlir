// Which constants are saved, and under which names.
//
// RUN: quant-opt %s --save-parameters="file=%t.safetensors min-bytes=16" -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: %make_safetensors show %t.safetensors | FileCheck %s --check-prefix=FILE
// RUN: quant-opt %s --save-parameters="file=%t.default.safetensors" -o /dev/null
// RUN: %make_safetensors show %t.default.safetensors | FileCheck %s --check-prefix=DEFAULT
//
// FILE: constant F32 [4] 1 2 3 4
// FILE-NEXT: fc.weight F32 [4] 1 2 3 4
// FILE-NEXT: fc.weight@2 F32 [4] 1 2 3 5
// FILE-NEXT: resource_4 F32 [4] 1 2 3 4
// FILE-NEXT: splat F32 [3] 0.5 0.5 0.5
// FILE-NOT: {{.}}
// Only what has a key is saved however small it is.
// DEFAULT: fc.weight F32 [4] 1 2 3 4
// DEFAULT-NEXT: fc.weight@2 F32 [4] 1 2 3 5
// DEFAULT-NEXT: splat F32 [3] 0.5 0.5 0.5
// DEFAULT-NOT: {{.}}

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[A:.*]]: tensor<4xf32> {ptq.parameter = "fc.weight"}, %[[B:.*]]: tensor<4xf32> {ptq.parameter = "fc.weight@2"}, %[[C:.*]]: tensor<4xf32> {ptq.parameter = "resource_4"}, %[[D:.*]]: tensor<4xf32> {ptq.parameter = "constant"}, %[[E:.*]]: tensor<3xf32> {ptq.parameter = "splat"})
func.func @main() -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<3xf32>, tensor<8xf32>, tensor<2xf32>, f32) {
  // The same key and the same data: one tensor. Other data: a name of its own.
  %0 = arith.constant {ptq.key = "fc.weight"} dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %1 = arith.constant {ptq.key = "fc.weight"} dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %2 = arith.constant {ptq.key = "fc.weight"} dense<[1.0, 2.0, 3.0, 5.0]> : tensor<4xf32>
  // Without a key: the resource's, or a word.
  %3 = arith.constant dense_resource<resource_4> : tensor<4xf32>
  %4 = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  // A splat is saved, written out, only if it has a key; small constants and scalars stay.
  %5 = arith.constant {ptq.key = "splat"} dense<0.5> : tensor<3xf32>
  // CHECK-DAG: %[[S:.*]] = arith.constant dense<2.000000e+00> : tensor<8xf32>
  // CHECK-DAG: %[[T:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  // CHECK-DAG: %[[U:.*]] = arith.constant 3.000000e+00 : f32
  %6 = arith.constant dense<2.0> : tensor<8xf32>
  %7 = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %8 = arith.constant 3.0 : f32
  // CHECK: return %[[A]], %[[A]], %[[B]], %[[C]], %[[D]], %[[E]], %[[S]], %[[T]], %[[U]]
  return %0, %1, %2, %3, %4, %5, %6, %7, %8
    : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<3xf32>, tensor<8xf32>, tensor<2xf32>, f32
}
{-#
  dialect_resources: { builtin: { resource_4: "0x040000000000803F000000400000404000008040" } }
#-}
