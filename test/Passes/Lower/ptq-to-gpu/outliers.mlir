// Columns that stay in floats (LLM.int8()): a tail of the same kernel.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @static
// CHECK-SAME: %[[XO:[a-z0-9]+]]: tensor<5x6xf16>, %[[WO:[a-z0-9]+]]: tensor<72x6xf16>
// CHECK-DAG: %[[X:.*]] = bufferization.to_buffer %[[XO]] read_only
// CHECK-DAG: %[[W:.*]] = bufferization.to_buffer %[[WO]] read_only
// CHECK: gpu.launch_func @ptq_kernels::@integer_linear_n72_k96_{{[a-z0-9_]+}}_outliers_f16_6_bias_f16 blocks in
// CHECK-SAME: memref<72x1xf32>, %[[X]] : memref<5x6xf16>, %[[W]] : memref<72x6xf16>, {{.*}} memref<72xf16>, {{.*}} memref<5x72xf16>, %{{[a-z0-9_]+}} : i32)
// CHECK-NOT: ptq.integer
func.func @static(%q: tensor<5x96xi8>, %s: tensor<5xf32>, %w: tensor<72x96xi8>, %ws: tensor<72x1xf32>,
                  %xo: tensor<5x6xf16>, %wo: tensor<72x6xf16>, %b: tensor<72xf16>) -> tensor<5x72xf16> {
  %y = ptq.integer_linear %q, %s, %w, %ws outliers %xo, %wo bias %b
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<5x96xi8>, tensor<5xf32>, tensor<72x96xi8>, tensor<72x1xf32>, tensor<5x6xf16>, tensor<72x6xf16>,
          tensor<72xf16>) -> tensor<5x72xf16>
  return %y : tensor<5x72xf16>
}

// -----

// Columns found at run time: their number is an argument. Floats of 32 bits are rounded to f16.
// CHECK-LABEL: func.func @dynamic
// CHECK-SAME: %[[XO:[a-z0-9]+]]: tensor<2x?x?xf32>, %[[WO:[a-z0-9]+]]: tensor<72x?xf32>
// CHECK-DAG: arith.truncf %[[XO]] : tensor<2x?x?xf32> to tensor<2x?x?xf16>
// CHECK-DAG: arith.truncf %[[WO]] : tensor<72x?xf32> to tensor<72x?xf16>
// CHECK-DAG: %[[O:.*]] = tensor.dim %[[XO]], %c2
// CHECK-DAG: %[[O32:.*]] = arith.index_cast %[[O]] : index to i32
// CHECK: gpu.launch_func @ptq_kernels::@integer_linear_n72_k96_{{[a-z0-9_]+}}_outliers_f16_dynamic blocks in
// CHECK-SAME: %[[O32]] : i32)
// CHECK-NOT: ptq.integer
func.func @dynamic(%q: tensor<2x?x96xi8>, %s: tensor<2x?xf32>, %w: tensor<72x96xi8>, %ws: tensor<72x1xf32>,
                   %xo: tensor<2x?x?xf32>, %wo: tensor<72x?xf32>) -> tensor<2x?x72xf32> {
  // expected-remark@+1 {{layer 'b' has float32 outliers, which are rounded to f16 for its kernel (float32-activations)}}
  %y = ptq.integer_linear %q, %s, %w, %ws outliers %xo, %wo
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "b",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x?x96xi8>, tensor<2x?xf32>, tensor<72x96xi8>, tensor<72x1xf32>, tensor<2x?x?xf32>,
          tensor<72x?xf32>) -> tensor<2x?x72xf32>
  return %y : tensor<2x?x72xf32>
}

// -----

// CHECK-LABEL: func.func @packed
// CHECK: ptq.integer_linear
// CHECK-NOT: gpu.binary
func.func @packed(%q: tensor<5x32xi8>, %s: tensor<5xf32>, %xo: tensor<5x6xf16>, %wo: tensor<4x6xf16>) -> tensor<5x4xf16> {
  %w = arith.constant dense<0x76543210> : tensor<4x4xi32>
  %ws = arith.constant dense<0.5> : tensor<4x1xf32>
  // expected-remark@+1 {{layer 'c' is left as it is: some of its columns stay in floats and its weight is packed}}
  %y = ptq.integer_linear %q, %s, %w, %ws outliers %xo, %wo
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "c",
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<5x32xi8>, tensor<5xf32>, tensor<4x4xi32>, tensor<4x1xf32>, tensor<5x6xf16>, tensor<4x6xf16>)
         -> tensor<5x4xf16>
  return %y : tensor<5x4xf16>
}
