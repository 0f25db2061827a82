// Few rows and columns leave multiprocessors idle: blocks share tiles, and have a workspace.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file | FileCheck %s

// Counters are filled once for launches of as many tiles.
// CHECK-LABEL: func.func @few
// CHECK: %[[ZEROS:.*]] = linalg.fill
// CHECK: %[[COUNTERS:.*]] = bufferization.to_buffer %[[ZEROS]] : tensor<[[TILES:[0-9]+]]xi32> to memref<[[TILES]]xi32>
// CHECK-NOT: linalg.fill
// CHECK: %[[SUMS:.*]] = memref.alloc() {alignment = 16 : i64} : memref<{{[0-9]+}}xi32>
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL:integer_linear_n256_k8192_[a-z0-9_]+_split[0-9]+[a-z0-9_]*]] blocks in
// CHECK-SAME: %[[SUMS]] : memref<{{[0-9]+}}xi32>, %[[COUNTERS]] : memref<[[TILES]]xi32>)
// CHECK-NOT: linalg.fill
// CHECK: %[[MORE:.*]] = memref.alloc() {alignment = 16 : i64} : memref<{{[0-9]+}}xi32>
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL]] blocks in
// CHECK-SAME: %[[MORE]] : memref<{{[0-9]+}}xi32>, %[[COUNTERS]] : memref<[[TILES]]xi32>)
// CHECK: atom.acq_rel.gpu.global.add.u32
func.func @few(%q: tensor<1x8192xi8>, %s: tensor<1xf32>, %w: tensor<256x8192xi8>, %ws: tensor<256x1xf32>,
               %v: tensor<256x8192xi8>) -> (tensor<1x256xf32>, tensor<1x256xf32>) {
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<1x8192xi8>, tensor<1xf32>, tensor<256x8192xi8>, tensor<256x1xf32>) -> tensor<1x256xf32>
  %z = ptq.integer_linear %q, %s, %v, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "b",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<1x8192xi8>, tensor<1xf32>, tensor<256x8192xi8>, tensor<256x1xf32>) -> tensor<1x256xf32>
  return %y, %z : tensor<1x256xf32>, tensor<1x256xf32>
}

// -----

// As many tiles as there are rows for.
// CHECK-LABEL: func.func @any
// CHECK: %[[TILES:.*]] = arith.ceildivui
// CHECK: %[[WORDS:.*]] = arith.muli %[[TILES]], %{{.*}} : index
// CHECK: %[[SUMS:.*]] = memref.alloc(%[[WORDS]]) {alignment = 16 : i64} : memref<?xi32>
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[TILES]]) : tensor<?xi32>
// CHECK: %[[ZEROS:.*]] = linalg.fill ins(%{{.*}} : i32) outs(%[[EMPTY]] : tensor<?xi32>)
// CHECK: %[[COUNTERS:.*]] = bufferization.to_buffer %[[ZEROS]]
// CHECK: %[[BLOCKS:.*]] = arith.muli %[[TILES]], %{{.*}} : index
// CHECK: gpu.launch_func @ptq_kernels::@weight_only_linear_b4_g0_n64_k4096_{{[a-z0-9_]+}}_split
// CHECK-SAME: blocks in (%[[BLOCKS]]
// CHECK-SAME: %[[SUMS]] : memref<?xi32>, %[[COUNTERS]] : memref<?xi32>)
func.func @any(%x: tensor<?x4096xf16>) -> tensor<?x64xf16> {
  %w = arith.constant dense<0x76543210> : tensor<64x512xi32>
  %s = arith.constant dense<0.5> : tensor<64x1xf16>
  %y = ptq.weight_only_linear %x, %w, %s {layer = "c", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<?x4096xf16>, tensor<64x512xi32>, tensor<64x1xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}
