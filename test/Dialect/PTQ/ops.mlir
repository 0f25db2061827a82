// Every operation and attribute, through text and bytecode.
//
// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s
// RUN: quant-opt %s --emit-bytecode | quant-opt | FileCheck %s
// RUN: quant-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<2x4x8xf32>, %w: tensor<16x8xf32>, %b: tensor<16xf32>) -> tensor<2x4x16xf32> {
  // CHECK: ptq.linear %{{.*}}, %{{.*}} : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
  %0 = ptq.linear %x, %w : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
  // CHECK: ptq.linear %{{.*}}, %{{.*}} bias %{{.*}} {layer = "model.layers.0.mlp.up_proj"}
  // CHECK-SAME: : (tensor<2x4x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<2x4x16xf32>
  %1 = ptq.linear %x, %w bias %b {layer = "model.layers.0.mlp.up_proj"}
     : (tensor<2x4x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<2x4x16xf32>
  %2 = arith.addf %0, %1 : tensor<2x4x16xf32>
  return %2 : tensor<2x4x16xf32>
}

// CHECK-LABEL: func.func @linear_marks
func.func @linear_marks(%x: tensor<4x2xf32>, %w: tensor<3x2xf32>) -> tensor<4x3xf32> {
  // CHECK: ptq.linear
  // CHECK-SAME: activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>
  // CHECK-SAME: statistics = #ptq.statistics<tokens = 4096, absmax = dense<[1.000000e+00, 2.500000e+00]> : tensor<2xf32>,
  // CHECK-SAME: mean_abs = dense<[2.500000e-01, 5.000000e-01]> : tensor<2xf32>>
  // CHECK-SAME: weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>
  %0 = ptq.linear %x, %w {
      statistics = #ptq.statistics<tokens = 4096, absmax = dense<[1.0, 2.5]> : tensor<2xf32>,
                                   mean_abs = dense<[0.25, 0.5]> : tensor<2xf32>>,
      weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>,
      activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// Types may differ: the layer rounds once to its result's.
// CHECK-LABEL: func.func @linear_types
func.func @linear_types(%x: tensor<?x8xbf16>, %w: tensor<16x8xf16>, %b: tensor<16xf32>, %v: tensor<8xf64>,
                        %u: tensor<16x8xf64>) -> (tensor<?x16xbf16>, tensor<16xf64>) {
  // CHECK: (tensor<?x8xbf16>, tensor<16x8xf16>, tensor<16xf32>) -> tensor<?x16xbf16>
  %0 = ptq.linear %x, %w bias %b : (tensor<?x8xbf16>, tensor<16x8xf16>, tensor<16xf32>) -> tensor<?x16xbf16>
  // CHECK: (tensor<8xf64>, tensor<16x8xf64>) -> tensor<16xf64>
  %1 = ptq.linear %v, %u : (tensor<8xf64>, tensor<16x8xf64>) -> tensor<16xf64>
  return %0, %1 : tensor<?x16xbf16>, tensor<16xf64>
}

// CHECK-LABEL: func.func @weight_only_linear
func.func @weight_only_linear(%x: tensor<4x64xf32>, %q4: tensor<32x8xi32>, %s: tensor<32x2xf16>, %z: tensor<32x2xi8>,
                              %index: tensor<64xi32>, %b: tensor<32xf32>, %q3: tensor<32x6xi32>,
                              %s1: tensor<32x1xf32>, %st: tensor<1x1xf32>)
    -> (tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>) {
  // CHECK: ptq.weight_only_linear %{{.*}}, %{{.*}}, %{{.*}} {layer = "up", scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
  // CHECK-SAME: : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf16>) -> tensor<4x32xf32>
  %0 = ptq.weight_only_linear %x, %q4, %s {layer = "up", scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf16>) -> tensor<4x32xf32>
  // CHECK: ptq.weight_only_linear %{{.*}}, %{{.*}}, %{{.*}} zero_points %{{.*}} group_index %{{.*}} bias %{{.*}} {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
  // CHECK-SAME: : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf16>, tensor<32x2xi8>, tensor<64xi32>, tensor<32xf32>) -> tensor<4x32xf32>
  %1 = ptq.weight_only_linear %x, %q4, %s zero_points %z group_index %index bias %b
         {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf16>, tensor<32x2xi8>, tensor<64xi32>, tensor<32xf32>)
       -> tensor<4x32xf32>
  // CHECK: ptq.weight_only_linear %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} {scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
  %2 = ptq.weight_only_linear %x, %q3, %s1 bias %b {scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
     : (tensor<4x64xf32>, tensor<32x6xi32>, tensor<32x1xf32>, tensor<32xf32>) -> tensor<4x32xf32>
  // CHECK: ptq.weight_only_linear %{{.*}}, %{{.*}}, %{{.*}} {scheme = #ptq.scheme<bits = 3, symmetric, per_tensor>}
  %3 = ptq.weight_only_linear %x, %q3, %st {scheme = #ptq.scheme<bits = 3, symmetric, per_tensor>}
     : (tensor<4x64xf32>, tensor<32x6xi32>, tensor<1x1xf32>) -> tensor<4x32xf32>
  return %0, %1, %2, %3 : tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>
}

// CHECK-LABEL: func.func @quantize
func.func @quantize(%x: tensor<2x4x8xf32>, %st: tensor<1xf32>, %sc: tensor<2xf32>, %sk: tensor<2x4xf32>,
                    %sg: tensor<2x4x2xf32>, %zg: tensor<2x4x2xi8>)
    -> (tensor<2x4x8xi8>, tensor<2x4x8xi8>, tensor<2x4x8xi32>, tensor<2x4x8xi4>) {
  // CHECK: ptq.quantize %{{.*}}, %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
  // CHECK-SAME: : (tensor<2x4x8xf32>, tensor<1xf32>) -> tensor<2x4x8xi8>
  %0 = ptq.quantize %x, %st {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<2x4x8xf32>, tensor<1xf32>) -> tensor<2x4x8xi8>
  // CHECK: per_channel
  %1 = ptq.quantize %x, %sc {scheme = #ptq.scheme<bits = 2, symmetric, per_channel>}
     : (tensor<2x4x8xf32>, tensor<2xf32>) -> tensor<2x4x8xi8>
  // CHECK: per_token, dynamic
  %2 = ptq.quantize %x, %sk {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<2x4x8xf32>, tensor<2x4xf32>) -> tensor<2x4x8xi32>
  // CHECK: ptq.quantize %{{.*}}, %{{.*}} zero_points %{{.*}} {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>}
  // CHECK-SAME: : (tensor<2x4x8xf32>, tensor<2x4x2xf32>, tensor<2x4x2xi8>) -> tensor<2x4x8xi4>
  %3 = ptq.quantize %x, %sg zero_points %zg {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>}
     : (tensor<2x4x8xf32>, tensor<2x4x2xf32>, tensor<2x4x2xi8>) -> tensor<2x4x8xi4>
  return %0, %1, %2, %3 : tensor<2x4x8xi8>, tensor<2x4x8xi8>, tensor<2x4x8xi32>, tensor<2x4x8xi4>
}

// CHECK-LABEL: func.func @dequantize
func.func @dequantize(%q: tensor<8x64xi8>, %s: tensor<8x2xf32>, %z: tensor<8x2xi8>, %d: tensor<?x?xi8>,
                      %ds: tensor<?x?xf32>) -> (tensor<8x64xf32>, tensor<?x?xf16>) {
  // CHECK: ptq.dequantize %{{.*}}, %{{.*}} zero_points %{{.*}} {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
  // CHECK-SAME: : (tensor<8x64xi8>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<8x64xf32>
  %0 = ptq.dequantize %q, %s zero_points %z {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
     : (tensor<8x64xi8>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<8x64xf32>
  // CHECK: ptq.dequantize {{.*}} : (tensor<?x?xi8>, tensor<?x?xf32>) -> tensor<?x?xf16>
  %1 = ptq.dequantize %d, %ds {scheme = #ptq.scheme<bits = 8, symmetric, per_group(16)>}
     : (tensor<?x?xi8>, tensor<?x?xf32>) -> tensor<?x?xf16>
  return %0, %1 : tensor<8x64xf32>, tensor<?x?xf16>
}

// CHECK-LABEL: func.func @observe
func.func @observe(%x: tensor<1x8x?x2xf32>) -> tensor<1x8x?x2xf32> {
  // CHECK: ptq.observe "keys" %{{.*}} : tensor<1x8x?x2xf32>
  %0 = ptq.observe "keys" %x : tensor<1x8x?x2xf32>
  // CHECK: ptq.observe "keys again" %{{.*}} {statistics = #ptq.statistics<tokens = 1, {{.*}}} : tensor<1x8x?x2xf32>
  %1 = ptq.observe "keys again" %0 {statistics = #ptq.statistics<
      tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<0.5> : tensor<2xf32>>} : tensor<1x8x?x2xf32>
  return %1 : tensor<1x8x?x2xf32>
}

// CHECK-LABEL: func.func @statistics_divisor
func.func @statistics_divisor(%x: tensor<4x2xf32>, %w: tensor<3x2xf32>) -> tensor<4x3xf32> {
  // CHECK: clip = dense<{{.*}}> : tensor<3x1xf32>
  // CHECK-SAME: divisor = dense<[2.000000e+00, 4.000000e+00]> : tensor<2xf32>>
  %0 = ptq.linear %x, %w {
      clip = dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>,
      statistics = #ptq.statistics<tokens = 4096, absmax = dense<[1.0, 2.5]> : tensor<2xf32>,
                                   mean_abs = dense<[0.25, 0.5]> : tensor<2xf32>,
                                   divisor = dense<[2.0, 4.0]> : tensor<2xf32>>}
     : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// CHECK-LABEL: func.func @channel_scales
func.func @channel_scales(%x: tensor<2x?x8xbf16>, %c: tensor<8xf32>, %s: tensor<2x?xf32>, %z: tensor<2x?xi8>)
    -> (tensor<2x?x8xbf16>, tensor<2x?x8xi8>, tensor<2x?x8xi8>) {
  // CHECK: ptq.scale_channels %{{.*}}, %{{.*}} : (tensor<2x?x8xbf16>, tensor<8xf32>) -> tensor<2x?x8xbf16>
  %0 = ptq.scale_channels %x, %c : (tensor<2x?x8xbf16>, tensor<8xf32>) -> tensor<2x?x8xbf16>
  // CHECK: ptq.quantize %{{.*}}, %{{.*}} channel_scales %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
  // CHECK-SAME: : (tensor<2x?x8xbf16>, tensor<2x?xf32>, tensor<8xf32>) -> tensor<2x?x8xi8>
  %1 = ptq.quantize %x, %s channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
     : (tensor<2x?x8xbf16>, tensor<2x?xf32>, tensor<8xf32>) -> tensor<2x?x8xi8>
  // CHECK: ptq.quantize %{{.*}}, %{{.*}} zero_points %{{.*}} channel_scales %{{.*}} {
  %2 = ptq.quantize %x, %s zero_points %z channel_scales %c {scheme = #ptq.scheme<bits = 8, asymmetric, per_token>}
     : (tensor<2x?x8xbf16>, tensor<2x?xf32>, tensor<2x?xi8>, tensor<8xf32>) -> tensor<2x?x8xi8>
  return %0, %1, %2 : tensor<2x?x8xbf16>, tensor<2x?x8xi8>, tensor<2x?x8xi8>
}

// CHECK-LABEL: func.func @dynamic_quantize
func.func @dynamic_quantize(%x: tensor<2x4x8xf32>, %c: tensor<8xf32>, %d: tensor<?x?xf16>)
    -> (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<2x4x8xi8>, tensor<1xf32>, tensor<1xi8>, tensor<?x?xi4>, tensor<?xf32>) {
  // CHECK: %{{.*}}, %{{.*}} = ptq.dynamic_quantize %{{.*}} channel_scales %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
  // CHECK-SAME: : (tensor<2x4x8xf32>, tensor<8xf32>) -> (tensor<2x4x8xi8>, tensor<2x4xf32>)
  %0, %s0 = ptq.dynamic_quantize %x channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<2x4x8xf32>, tensor<8xf32>) -> (tensor<2x4x8xi8>, tensor<2x4xf32>)
  // CHECK: %{{.*}}, %{{.*}}, %{{.*}} = ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor, dynamic>}
  // CHECK-SAME: : (tensor<2x4x8xf32>) -> (tensor<2x4x8xi8>, tensor<1xf32>, tensor<1xi8>)
  %1, %s1, %z1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor, dynamic>}
     : (tensor<2x4x8xf32>) -> (tensor<2x4x8xi8>, tensor<1xf32>, tensor<1xi8>)
  %2, %s2 = ptq.dynamic_quantize %d {scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>}
     : (tensor<?x?xf16>) -> (tensor<?x?xi4>, tensor<?xf32>)
  return %0, %s0, %1, %s1, %z1, %2, %s2
    : tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<2x4x8xi8>, tensor<1xf32>, tensor<1xi8>, tensor<?x?xi4>, tensor<?xf32>
}

// CHECK-LABEL: func.func @integer_linear
func.func @integer_linear(%x: tensor<2x4x64xi8>, %sk: tensor<2x4xf32>, %st: tensor<1xf32>, %z: tensor<2x4xi8>,
                          %w: tensor<32x64xi8>, %wc: tensor<32x1xf32>, %wt: tensor<1x1xf32>, %w4: tensor<32x8xi32>,
                          %wg: tensor<32x2xf16>, %b: tensor<32xf32>)
    -> (tensor<2x4x32xf32>, tensor<2x4x32xf32>, tensor<2x4x32xbf16>) {
  // CHECK: ptq.integer_linear %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, layer = "up", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
  // CHECK-SAME: : (tensor<2x4x64xi8>, tensor<1xf32>, tensor<32x64xi8>, tensor<1x1xf32>) -> tensor<2x4x32xf32>
  %0 = ptq.integer_linear %x, %st, %w, %wt
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, layer = "up",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<2x4x64xi8>, tensor<1xf32>, tensor<32x64xi8>, tensor<1x1xf32>) -> tensor<2x4x32xf32>
  // CHECK: ptq.integer_linear %{{.*}}, %{{.*}} x_zero_points %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} {
  // CHECK-SAME: : (tensor<2x4x64xi8>, tensor<2x4xf32>, tensor<2x4xi8>, tensor<32x64xi8>, tensor<32x1xf32>, tensor<32xf32>) -> tensor<2x4x32xf32>
  %1 = ptq.integer_linear %x, %sk x_zero_points %z, %w, %wc bias %b
         {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>,
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<2x4x64xi8>, tensor<2x4xf32>, tensor<2x4xi8>, tensor<32x64xi8>, tensor<32x1xf32>, tensor<32xf32>)
       -> tensor<2x4x32xf32>
  // CHECK: ptq.integer_linear {{.*}} weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
  %2 = ptq.integer_linear %x, %sk, %w4, %wg
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>,
          weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<2x4x64xi8>, tensor<2x4xf32>, tensor<32x8xi32>, tensor<32x2xf16>) -> tensor<2x4x32xbf16>
  return %0, %1, %2 : tensor<2x4x32xf32>, tensor<2x4x32xf32>, tensor<2x4x32xbf16>
}

// CHECK-LABEL: func.func @integer_batch_matmul
func.func @integer_batch_matmul(%a: tensor<2x3x?x16xi8>, %b: tensor<2x3x5x16xi8>, %sa: tensor<2x3x?xf32>,
                                %sb: tensor<2x3x5xf32>, %st: tensor<1xf32>)
    -> (tensor<2x3x?x5xf32>, tensor<2x3x?x5xf32>) {
  // CHECK: ptq.integer_batch_matmul %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : (tensor<2x3x?x16xi8>, tensor<2x3x?xf32>, tensor<2x3x5x16xi8>, tensor<2x3x5xf32>) -> tensor<2x3x?x5xf32>
  %0 = ptq.integer_batch_matmul %a, %sa, %b, %sb
     : (tensor<2x3x?x16xi8>, tensor<2x3x?xf32>, tensor<2x3x5x16xi8>, tensor<2x3x5xf32>) -> tensor<2x3x?x5xf32>
  // CHECK: ptq.integer_batch_matmul
  %1 = ptq.integer_batch_matmul %a, %st, %b, %sb
     : (tensor<2x3x?x16xi8>, tensor<1xf32>, tensor<2x3x5x16xi8>, tensor<2x3x5xf32>) -> tensor<2x3x?x5xf32>
  return %0, %1 : tensor<2x3x?x5xf32>, tensor<2x3x?x5xf32>
}
