// Integer layers with weights of 4 bits: per channel, in progressive groups, with int4 activations.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file --verify-diagnostics | FileCheck %s
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_90a --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=HOPPER

// The weight is laid out anew, padded to 32 × 64; with zero points its rows' sums are an operand.
// CHECK-LABEL: func.func @w4a8
// CHECK-SAME: (%[[Q:.*]]: tensor<?x40xi8>
// CHECK-DAG: arith.constant {ptq.key = "a.weight_shuffled"} dense_resource<a.weight_shuffled> : tensor<256xi32>
// CHECK-DAG: arith.constant dense<[-8, -7, -8, -7]> : tensor<4xi32>
// CHECK: gpu.launch_func @ptq_kernels::@packed_integer_linear_a8_g0_n4_k40_{{[a-z0-9_]+}}_zero blocks in
// CHECK-NOT: ptq.
// CHECK: gpu.binary
func.func @w4a8(%q: tensor<?x40xi8>, %s: tensor<?xf32>, %z: tensor<?xi8>) -> tensor<?x4xf32> {
  // Codes -8 … 7 twice, whose sum is -16, and 8 of sum 8 or 9.
  %w = arith.constant dense<[[0xfedcba98, 0x76543210, 0xfedcba98, 0x76543210, 0x99999999],
                             [0xfedcba98, 0x76543210, 0xfedcba98, 0x76543210, 0xa9888aaa],
                             [0xfedcba98, 0x76543210, 0xfedcba98, 0x76543210, 0x99999999],
                             [0xfedcba98, 0x76543210, 0xfedcba98, 0x76543210, 0xa9888aaa]]> : tensor<4x5xi32>
  %ws = arith.constant dense<0.5> : tensor<4x1xf32>
  %y = ptq.integer_linear %q, %s x_zero_points %z, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<?x40xi8>, tensor<?xf32>, tensor<?xi8>, tensor<4x5xi32>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @progressive
// CHECK-DAG: dense_resource<b.weight_shuffled> : tensor<256xi32>
// CHECK-DAG: dense_resource<b.group_shuffled> : tensor<128xi8>
// CHECK-NOT: dense<3>
// CHECK-NOT: ptq.
// CHECK: gpu.launch_func @ptq_kernels::@packed_integer_linear_a8_g32_n4_k64_
// CHECK-NOT: ptq.
func.func @progressive(%q: tensor<5x64xi8>, %s: tensor<5xf32>) -> tensor<5x4xf16> {
  %c = arith.constant dense<0x76543210> : tensor<4x8xi32>
  %gs = arith.constant dense<3> : tensor<4x2xi8>
  %gz = arith.constant dense<-1> : tensor<4x2xi8>
  %ws = arith.constant dense<0.5> : tensor<4x1xf32>
  %w = ptq.expand_groups %c, %gs, %gz {bits = 4} : (tensor<4x8xi32>, tensor<4x2xi8>, tensor<4x2xi8>) -> tensor<4x64xi8>
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "b",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<5x64xi8>, tensor<5xf32>, tensor<4x64xi8>, tensor<4x1xf32>) -> tensor<5x4xf16>
  return %y : tensor<5x4xf16>
}

// -----

// Groups of 16 have no kernel of their own, nor has a scale for which 15·s is no byte: the int8 weight has.
// CHECK-LABEL: func.func @expanded
// CHECK: ptq.expand_groups
// CHECK: gpu.launch_func @ptq_kernels::@integer_linear_n4_k64_
// CHECK: ptq.expand_groups
// CHECK: gpu.launch_func @ptq_kernels::@integer_linear_n4_k64_
func.func @expanded(%q: tensor<5x64xi8>, %s: tensor<5xf32>) -> (tensor<5x4xf16>, tensor<5x4xf16>) {
  %c = arith.constant dense<0x76543210> : tensor<4x8xi32>
  %gs = arith.constant dense<3> : tensor<4x4xi8>
  %gz = arith.constant dense<-1> : tensor<4x4xi8>
  %hs = arith.constant dense<18> : tensor<4x2xi8>
  %hz = arith.constant dense<0> : tensor<4x2xi8>
  %ws = arith.constant dense<0.5> : tensor<4x1xf32>
  %w = ptq.expand_groups %c, %gs, %gz {bits = 4} : (tensor<4x8xi32>, tensor<4x4xi8>, tensor<4x4xi8>) -> tensor<4x64xi8>
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "c",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<5x64xi8>, tensor<5xf32>, tensor<4x64xi8>, tensor<4x1xf32>) -> tensor<5x4xf16>
  %v = ptq.expand_groups %c, %hs, %hz {bits = 4} : (tensor<4x8xi32>, tensor<4x2xi8>, tensor<4x2xi8>) -> tensor<4x64xi8>
  %z = ptq.integer_linear %q, %s, %v, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "d",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<5x64xi8>, tensor<5xf32>, tensor<4x64xi8>, tensor<4x1xf32>) -> tensor<5x4xf16>
  return %y, %z : tensor<5x4xf16>, tensor<5x4xf16>
}

// -----

// Int4 activations are packed once where there is an mma for them and enough to do; else they are int8.
// CHECK-LABEL: func.func @w4a4
// CHECK: gpu.launch_func @ptq_kernels::@pack_activations_k2048 blocks in
// CHECK: gpu.launch_func @ptq_kernels::@packed_integer_linear_a4_g0_n2048_k2048_
// CHECK-NOT: @pack_activations
// CHECK: gpu.launch_func @ptq_kernels::@packed_integer_linear_a4_g0_n2048_k2048_
// CHECK: gpu.launch_func @ptq_kernels::@packed_integer_linear_a8_g0_n2048_k2048_
// HOPPER-LABEL: func.func @w4a4
// HOPPER-NOT: pack_activations
// HOPPER-NOT: _a4_
// HOPPER-COUNT-3: gpu.launch_func @ptq_kernels::@packed_integer_linear_a8_g0_n2048_k2048_
func.func @w4a4(%q: tensor<4x4096x2048xi8>, %s: tensor<4x4096xf32>, %p: tensor<1x2048xi8>, %t: tensor<1xf32>)
    -> (tensor<4x4096x2048xf16>, tensor<4x4096x2048xf16>, tensor<1x2048xf16>) {
  %w = arith.constant dense<0x76543210> : tensor<2048x256xi32>
  %ws = arith.constant dense<0.5> : tensor<2048x1xf32>
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>, layer = "e",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<4x4096x2048xi8>, tensor<4x4096xf32>, tensor<2048x256xi32>, tensor<2048x1xf32>) -> tensor<4x4096x2048xf16>
  %z = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>, layer = "f",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<4x4096x2048xi8>, tensor<4x4096xf32>, tensor<2048x256xi32>, tensor<2048x1xf32>) -> tensor<4x4096x2048xf16>
  %u = ptq.integer_linear %p, %t, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>, layer = "g",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<1x2048xi8>, tensor<1xf32>, tensor<2048x256xi32>, tensor<2048x1xf32>) -> tensor<1x2048xf16>
  return %y, %z, %u : tensor<4x4096x2048xf16>, tensor<4x4096x2048xf16>, tensor<1x2048xf16>
}

// -----

// CHECK-LABEL: func.func @declined
// CHECK: ptq.integer_linear
// CHECK: ptq.integer_linear
// CHECK-NOT: gpu.binary
func.func @declined(%q: tensor<3x32xi8>, %s: tensor<3xf32>, %w: tensor<4x4xi32>, %v: tensor<4x6xi32>, %ws: tensor<4x1xf32>)
    -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  // expected-remark@+1 {{layer 'h' is left as it is: its weight is not a constant}}
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "h",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<3x32xi8>, tensor<3xf32>, tensor<4x4xi32>, tensor<4x1xf32>) -> tensor<3x4xf32>
  // expected-remark@+1 {{layer 'i' is left as it is: kernels have integer weights of 8 bits, or of at most 4}}
  %z = ptq.integer_linear %q, %s, %v, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "i",
          weight_scheme = #ptq.scheme<bits = 6, symmetric, per_channel>}
       : (tensor<3x32xi8>, tensor<3xf32>, tensor<4x6xi32>, tensor<4x1xf32>) -> tensor<3x4xf32>
  return %y, %z : tensor<3x4xf32>, tensor<3x4xf32>
}
