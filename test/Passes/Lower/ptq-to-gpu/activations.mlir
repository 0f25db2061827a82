// Activations become integers in a kernel: a warp takes a row, four of them a block; or a block a
// long row.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @dynamic
// CHECK-SAME: (%[[X:.*]]: tensor<2x?x512xf16>, %[[C:.*]]: tensor<512xf32>)
// CHECK-DAG: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[TOKENS:.*]] = tensor.dim %[[X]]
// CHECK-DAG: %[[ROWS:.*]] = arith.muli %[[TOKENS]]
// CHECK: %[[BLOCKS:.*]] = arith.ceildivui %[[ROWS]], %[[FOUR]]
// CHECK: %[[COUNT:.*]] = arith.index_cast %[[ROWS]] : index to i32
// CHECK-DAG: %[[XB:.*]] = bufferization.to_buffer %[[X]]
// CHECK-DAG: %[[CB:.*]] = bufferization.to_buffer %[[C]]
// CHECK-DAG: %[[Q:.*]] = memref.alloc({{.*}}) {alignment = 16 : i64} : memref<2x?x512xi8>
// CHECK-DAG: %[[S:.*]] = memref.alloc({{.*}}) {alignment = 16 : i64} : memref<2x?xf32>
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL:dynamic_quantize_k512_b8_f16_sf32_token_channel_f32]] blocks in (%[[BLOCKS]],
// CHECK-SAME: args(%[[XB]] : {{.*}}, %[[CB]] : {{.*}}, %[[Q]] : {{.*}}, %[[S]] : {{.*}}, %[[COUNT]] : i32)
// CHECK-DAG: %[[QT:.*]] = bufferization.to_tensor %[[Q]]
// CHECK-DAG: %[[ST:.*]] = bufferization.to_tensor %[[S]]
// CHECK: return %[[QT]], %[[ST]]
// CHECK: gpu.binary @ptq_kernels
// CHECK-SAME: .visible .entry [[KERNEL]](
func.func @dynamic(%x: tensor<2x?x512xf16>, %c: tensor<512xf32>) -> (tensor<2x?x512xi8>, tensor<2x?xf32>) {
  %q, %s = ptq.dynamic_quantize %x channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
    : (tensor<2x?x512xf16>, tensor<512xf32>) -> (tensor<2x?x512xi8>, tensor<2x?xf32>)
  return %q, %s : tensor<2x?x512xi8>, tensor<2x?xf32>
}

// -----

// CHECK-LABEL: func.func @asymmetric
// CHECK-DAG: %[[BLOCKS:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[THREADS:.*]] = arith.constant 256 : index
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k4096_b4_f32_sf32_token_asymmetric_zi8 blocks in (%[[BLOCKS]], {{.*}}) threads in (%[[THREADS]],
func.func @asymmetric(%x: tensor<2x3x4096xf32>) -> (tensor<2x3x4096xi8>, tensor<2x3xf32>, tensor<2x3xi8>) {
  %q, %s, %z = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 4, asymmetric, per_token, dynamic>}
    : (tensor<2x3x4096xf32>) -> (tensor<2x3x4096xi8>, tensor<2x3xf32>, tensor<2x3xi8>)
  return %q, %s, %z : tensor<2x3x4096xi8>, tensor<2x3xf32>, tensor<2x3xi8>
}

// -----

// Static: the scales are operands, after the channels'.
// CHECK-LABEL: func.func @static
// CHECK-SAME: (%[[X:.*]]: tensor<5x64xf32>, %[[C:.*]]: tensor<64xf32>)
// CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<5.0
// CHECK-DAG: %[[XB:.*]] = bufferization.to_buffer %[[X]]
// CHECK-DAG: %[[CB:.*]] = bufferization.to_buffer %[[C]]
// CHECK-DAG: %[[SB:.*]] = bufferization.to_buffer %[[SCALE]]
// CHECK: gpu.launch_func @ptq_kernels::@quantize_k64_b8_f32_sf32_channel_f32 blocks in
// CHECK-SAME: args(%[[XB]] : memref<5x64xf32>, %[[CB]] : memref<64xf32>, %[[SB]] : memref<1xf32>, %{{.*}} : memref<5x64xi8>, %{{.*}} : i32)
func.func @static(%x: tensor<5x64xf32>, %c: tensor<64xf32>) -> tensor<5x64xi8> {
  %s = arith.constant dense<0.5> : tensor<1xf32>
  %q = ptq.quantize %x, %s channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
    : (tensor<5x64xf32>, tensor<1xf32>, tensor<64xf32>) -> tensor<5x64xi8>
  return %q : tensor<5x64xi8>
}

// -----

// CHECK-LABEL: func.func @declined
// CHECK-NOT: gpu.
func.func @declined(%x: tensor<4x8xf32>, %y: tensor<4x?xf32>, %z: tensor<2x70000xf32>, %s: tensor<4xf32>, %d: tensor<4x8xf64>) {
  // expected-remark@+1 {{'ptq.dynamic_quantize' is left as it is: its scale is of all tokens}}
  %q:2 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor, dynamic>}
    : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<1xf32>)
  // expected-remark@+1 {{'ptq.dynamic_quantize' is left as it is: its last dimension has no static size}}
  %r:2 = ptq.dynamic_quantize %y {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
    : (tensor<4x?xf32>) -> (tensor<4x?xi8>, tensor<4xf32>)
  // expected-remark@+1 {{'ptq.dynamic_quantize' is left as it is: its rows are too long for a block}}
  %t:2 = ptq.dynamic_quantize %z {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
    : (tensor<2x70000xf32>) -> (tensor<2x70000xi8>, tensor<2xf32>)
  // expected-remark@+1 {{'ptq.quantize' is left as it is: its scales are neither of a token nor of the tensor}}
  %u = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
    : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xi8>
  // expected-remark@+1 {{'ptq.quantize' is left as it is: its type is none of f16, bf16 and f32}}
  %v = ptq.quantize %d, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
    : (tensor<4x8xf64>, tensor<4xf32>) -> tensor<4x8xi8>
  return
}
