// Declarations, what surrounds a call, and what becomes linalg instead.
//
// RUN: quant-opt %s --ptq-to-cpu | FileCheck %s --implicit-check-not=ptq.
// RUN: quant-opt %s --ptq-to-cpu | mlir-opt | FileCheck %s
// RUN: quant-opt %s --ptq-to-cpu --verify-roundtrip -o /dev/null

// One declaration for each function that is called.
// CHECK-DAG: func.func private @ptq_rt_integer_linear(tensor<?x?xi8> {bufferization.access = "read"}, {{.*}}) -> tensor<?x?xf32> attributes {llvm.emit_c_interface}
// CHECK-DAG: func.func private @ptq_rt_dynamic_quantize(tensor<?x?xf32> {bufferization.access = "read"}, tensor<?xf32> {bufferization.access = "read"}, i32, i32, i32, i32) -> (tensor<?x?xi8>, tensor<?xf32>, tensor<?xi8>) attributes {llvm.emit_c_interface}

// CHECK-LABEL: func.func @layer
// CHECK-SAME: (%[[X:.*]]: tensor<2x?x8xf16>
// CHECK: %[[F:.*]] = linalg.generic {{.*}} ins(%[[X]]
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: %[[C:.*]] = tensor.collapse_shape %[[F]] {{\[\[}}0, 1], [2]]
// CHECK: call @ptq_rt_dynamic_quantize
// CHECK: call @ptq_rt_integer_linear
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: tensor.expand_shape {{.*}} into tensor<2x?x16xf16>
func.func @layer(%x: tensor<2x?x8xf16>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<2x?x16xf16> {
  %q, %s = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<2x?x8xf16>) -> (tensor<2x?x8xi8>, tensor<2x?xf32>)
  %y = ptq.integer_linear %q, %s, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>,
       weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>, layer = "fc"}
     : (tensor<2x?x8xi8>, tensor<2x?xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<2x?x16xf16>
  return %y : tensor<2x?x16xf16>
}

// The runtime computes in float32.
// CHECK-LABEL: func.func @double
// CHECK-NOT: call
// CHECK: linalg.matmul
func.func @double(%x: tensor<4x8xf64>, %w: tensor<16x8xf64>) -> tensor<4x16xf64> {
  %y = ptq.linear %x, %w : (tensor<4x8xf64>, tensor<16x8xf64>) -> tensor<4x16xf64>
  return %y : tensor<4x16xf64>
}

// CHECK-LABEL: func.func @per_channel
// CHECK-NOT: call
// CHECK: math.roundeven
func.func @per_channel(%x: tensor<4x8xf32>, %s: tensor<4xf32>) -> tensor<4x8xi8> {
  %q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xi8>
  return %q : tensor<4x8xi8>
}
