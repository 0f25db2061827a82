// Layers become launches of kernels; those of one shape share a kernel.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @w8a8
// CHECK-SAME: (%[[Q:.*]]: tensor<2x100x96xi8>
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 200 : i32
// CHECK-DAG: %[[X:.*]] = bufferization.to_buffer %[[Q]] read_only : tensor<2x100x96xi8> to memref<2x100x96xi8>
// CHECK-DAG: %[[Y:.*]] = memref.alloc() {alignment = 16 : i64} : memref<2x100x72xf32>
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL:integer_linear_n72_k96_[a-z0-9_]+]] blocks in
// CHECK-SAME: threads in
// CHECK-SAME: dynamic_shared_memory_size
// CHECK-SAME: args(%[[X]] : memref<2x100x96xi8>, {{.*}} %[[Y]] : memref<2x100x72xf32>, %[[ROWS]] : i32)
// CHECK: bufferization.to_tensor %[[Y]] restrict writable
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL]] blocks in
// CHECK-NOT: ptq.
// CHECK: gpu.binary @ptq_kernels
// CHECK-SAME: assembly =
// CHECK-SAME: .target sm_80
// CHECK-SAME: .visible .entry [[KERNEL]](
// CHECK-NOT: .visible .entry
func.func @w8a8(%q: tensor<2x100x96xi8>, %s: tensor<2x100xf32>, %w: tensor<72x96xi8>, %ws: tensor<72x1xf32>,
                %v: tensor<72x96xi8>) -> (tensor<2x100x72xf32>, tensor<2x100x72xf32>) {
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x100x96xi8>, tensor<2x100xf32>, tensor<72x96xi8>, tensor<72x1xf32>) -> tensor<2x100x72xf32>
  %z = ptq.integer_linear %q, %s, %v, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "b",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x100x96xi8>, tensor<2x100xf32>, tensor<72x96xi8>, tensor<72x1xf32>) -> tensor<2x100x72xf32>
  return %y, %z : tensor<2x100x72xf32>, tensor<2x100x72xf32>
}

// -----

// Activations in float32 are rounded; the weight is laid out anew, padded to 64 × 64.
// CHECK-LABEL: func.func @w4a16
// CHECK-SAME: (%[[X:.*]]: tensor<?x32xf32>)
// CHECK-DAG: %[[H:.*]] = arith.truncf %[[X]] : tensor<?x32xf32> to tensor<?x32xf16>
// CHECK-DAG: arith.constant {ptq.key = "c.weight_shuffled"} dense_resource<c.weight_shuffled> : tensor<512xi32>
// CHECK-DAG: arith.constant {ptq.key = "c.scale_shuffled"} dense_resource<c.scale_shuffled> : tensor<128xf16>
// CHECK-DAG: tensor.dim %[[X]]
// CHECK-NOT: arith.constant dense<
// CHECK: gpu.launch_func @ptq_kernels::@weight_only_linear_b4_g32_n4_k32_
func.func @w4a16(%x: tensor<?x32xf32>) -> tensor<?x4xf32> {
  %w = arith.constant dense<0x76543210> : tensor<4x4xi32>
  %s = arith.constant dense<0.5> : tensor<4x1xf32>
  // expected-remark@+1 {{layer 'c' has float32 activations, which are rounded to f16 for its kernel}}
  %y = ptq.weight_only_linear %x, %w, %s
         {layer = "c", scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
       : (tensor<?x32xf32>, tensor<4x4xi32>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @declined
// CHECK: ptq.weight_only_linear
// CHECK: ptq.weight_only_linear
// CHECK-NOT: gpu.binary
func.func @declined(%x: tensor<3x32xf32>, %w: tensor<4x4xi32>, %v: tensor<4x5xi32>, %s: tensor<4x1xf32>)
    -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  // expected-remark@+1 {{layer 'd' is left as it is: its weight is not a constant}}
  %y = ptq.weight_only_linear %x, %w, %s {layer = "d", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<3x32xf32>, tensor<4x4xi32>, tensor<4x1xf32>) -> tensor<3x4xf32>
  // expected-remark@+1 {{layer 'e' is left as it is: kernels have weights of 2, 3, 4 or 8 bits}}
  %z = ptq.weight_only_linear %x, %v, %s {layer = "e", scheme = #ptq.scheme<bits = 5, symmetric, per_channel>}
       : (tensor<3x32xf32>, tensor<4x5xi32>, tensor<4x1xf32>) -> tensor<3x4xf32>
  return %y, %z : tensor<3x4xf32>, tensor<3x4xf32>
}

// -----

// The kernels have no sparse part.
// CHECK-LABEL: func.func @sparse
// CHECK: ptq.weight_only_linear {{.*}} sparse(
// CHECK-NOT: gpu.binary
func.func @sparse(%x: tensor<3x32xf16>) -> tensor<3x4xf16> {
  %w = arith.constant dense<7> : tensor<4x4xi32>
  %s = arith.constant dense<1.0> : tensor<4x1xf16>
  %o = arith.constant dense<[0, 1, 1, 1, 1]> : tensor<5xi32>
  %c = arith.constant dense<9> : tensor<1xi32>
  %v = arith.constant dense<2.0> : tensor<1xf16>
  // expected-remark@+1 {{layer 'f' is left as it is: some of its weights are in a sparse part}}
  %y = ptq.weight_only_linear %x, %w, %s sparse(%o, %c, %v) {layer = "f", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<3x32xf16>, tensor<4x4xi32>, tensor<4x1xf16>, tensor<5xi32>, tensor<1xi32>, tensor<1xf16>) -> tensor<3x4xf16>
  return %y : tensor<3x4xf16>
}
