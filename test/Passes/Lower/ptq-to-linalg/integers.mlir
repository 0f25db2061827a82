// Operations on integers, executed as they are and lowered: the same bits, whatever the types, schemes and shapes.
// And numbers worked out by hand.
//
// RUN: rm -rf %t && split-file %s %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x2x3x8=-30.1,0.77 c:F32:8=0.5,0.25 h:F16:2x2x3x8=-7,0.375 v:F32:8=-3,1 d:F64:2x5x8=-31,0.7
// RUN: quant-opt %t/all.mlir --ptq-to-linalg -o %t/lowered.mlir
// RUN: mlir-opt %t/lowered.mlir -o /dev/null
// RUN: quant-run %t/lowered.mlir --inputs=%t/x.safetensors --reference=%t/all.mlir --json=%t/r.json | FileCheck %s
// Every output is equal.
// CHECK-COUNT-20: inf {{ *}}1.00000000 {{ *}}0 {{ *}}0
//
// Tokens (-127, 0, 127, 254) and (381, 508, 635, 762) are (-64, 0, 64, 127)·2 and (64, 85, 106, 127)·6, 63.5 rounding to
// even. Against (1, 2, -3, 4)·0.5 and (1, 1, 1, 1)·2 they sum to 252, 127 and 424, 382.
// RUN: %make_safetensors write %t/y.safetensors x:F32:2x4=-127,127
// RUN: quant-run %t/hand.mlir --inputs=%t/y.safetensors --outputs=%t/hand.safetensors
// RUN: %make_safetensors show %t/hand.safetensors | FileCheck %s --check-prefix=HAND
// RUN: quant-opt %t/hand.mlir --ptq-to-linalg -o %t/hand-lowered.mlir
// RUN: quant-run %t/hand-lowered.mlir --inputs=%t/y.safetensors --outputs=%t/hand-lowered.safetensors
// RUN: %make_safetensors show %t/hand-lowered.safetensors | FileCheck %s --check-prefix=HAND
// HAND: output F32 {{.*}} 253{{(\.0)?}}{{,?}} 507{{(\.0)?}}{{,?}} 1273{{(\.0)?}}{{,?}} 4583

//--- hand.mlir
func.func @main(%x: tensor<2x4xf32> {ptq.input = "x"}) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[1, 2, -3, 4], [1, 1, 1, 1]]> : tensor<2x4xi8>
  %ws = arith.constant dense<[[0.5], [2.0]]> : tensor<2x1xf32>
  %b = arith.constant dense<[1.0, -1.0]> : tensor<2xf32>
  %q, %s = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<2x4xf32>) -> (tensor<2x4xi8>, tensor<2xf32>)
  %y = ptq.integer_linear %q, %s, %w, %ws bias %b
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<2x4xi8>, tensor<2xf32>, tensor<2x4xi8>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

//--- all.mlir
func.func @main(%x: tensor<2x3x8xf32> {ptq.input = "x"}, %c: tensor<8xf32> {ptq.input = "c"}, %h: tensor<2x3x8xf16> {ptq.input = "h"},
                %v: tensor<8xf32> {ptq.input = "v"}, %d: tensor<5x8xf64> {ptq.input = "d"})
    -> (tensor<2x3x8xf32>, tensor<2x3x8xf16>, tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3x8xi8>, tensor<1xf32>, tensor<1xi8>,
        tensor<2x3x8xi8>, tensor<2x3xf16>, tensor<2x3xi8>, tensor<5x8xi8>, tensor<5xf64>, tensor<2x3x8xi8>, tensor<2x3x8xi8>,
        tensor<2x3x2xf32>, tensor<2x3x2xf16>, tensor<2xf32>, tensor<5x2xf64>, tensor<2x3x3xf32>, tensor<2x3x3xf32>) {
  %w = arith.constant dense<[[1, -2, 127, -128, 5, 6, -7, 8], [-9, 10, 11, -12, 13, 14, 15, -16]]> : tensor<2x8xi8>
  %ws = arith.constant dense<[[0.013], [0.27]]> : tensor<2x1xf32>
  %w4 = arith.constant dense<[[305419896], [-19088744]]> : tensor<2x1xi32>
  %wg = arith.constant dense<[[0.3, 0.07], [0.011, 1.7]]> : tensor<2x2xf32>
  %b = arith.constant dense<[0.1, -3.3]> : tensor<2xf32>
  %0 = ptq.scale_channels %x, %c : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %1 = ptq.scale_channels %h, %c : (tensor<2x3x8xf16>, tensor<8xf32>) -> tensor<2x3x8xf16>
  %2, %s2 = ptq.dynamic_quantize %x channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<2x3x8xf32>, tensor<8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf32>)
  %3, %s3, %z3 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor, dynamic>}
     : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<1xf32>, tensor<1xi8>)
  %4, %s4, %z4 = ptq.dynamic_quantize %h channel_scales %c {scheme = #ptq.scheme<bits = 5, asymmetric, per_token, dynamic>}
     : (tensor<2x3x8xf16>, tensor<8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf16>, tensor<2x3xi8>)
  %5, %s5 = ptq.dynamic_quantize %d {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<5x8xf64>) -> (tensor<5x8xi8>, tensor<5xf64>)
  %6 = ptq.quantize %x, %s3 zero_points %z3 channel_scales %c {scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>}
     : (tensor<2x3x8xf32>, tensor<1xf32>, tensor<1xi8>, tensor<8xf32>) -> tensor<2x3x8xi8>
  %g = arith.constant dense<0.37> : tensor<2x3x2xf32>
  %7 = ptq.quantize %h, %g channel_scales %c {scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>}
     : (tensor<2x3x8xf16>, tensor<2x3x2xf32>, tensor<8xf32>) -> tensor<2x3x8xi8>
  %8 = ptq.integer_linear %2, %s2, %w, %ws bias %b
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x8xi8>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<2x3x2xf32>
  %9 = ptq.integer_linear %4, %s4 x_zero_points %z4, %w4, %wg bias %b
         {activation_scheme = #ptq.scheme<bits = 5, asymmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>}
     : (tensor<2x3x8xi8>, tensor<2x3xf16>, tensor<2x3xi8>, tensor<2x1xi32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x3x2xf16>
  %10, %s10 = ptq.dynamic_quantize %v {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<8xf32>) -> (tensor<8xi8>, tensor<f32>)
  %11 = ptq.integer_linear %10, %s10, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<8xi8>, tensor<f32>, tensor<2x8xi8>, tensor<2x1xf32>) -> tensor<2xf32>
  %12 = ptq.integer_linear %5, %s5, %w, %wg
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>}
     : (tensor<5x8xi8>, tensor<5xf64>, tensor<2x8xi8>, tensor<2x2xf32>) -> tensor<5x2xf64>
  %13 = ptq.integer_batch_matmul %2, %s2, %3, %s3 : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3x8xi8>, tensor<1xf32>) -> tensor<2x3x3xf32>
  %14 = ptq.integer_batch_matmul %2, %s2, %2, %s2 : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3x8xi8>, tensor<2x3xf32>) -> tensor<2x3x3xf32>
  return %0, %1, %2, %s2, %3, %s3, %z3, %4, %s4, %z4, %5, %s5, %6, %7, %8, %9, %11, %12, %13, %14
    : tensor<2x3x8xf32>, tensor<2x3x8xf16>, tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3x8xi8>, tensor<1xf32>, tensor<1xi8>,
      tensor<2x3x8xi8>, tensor<2x3xf16>, tensor<2x3xi8>, tensor<5x8xi8>, tensor<5xf64>, tensor<2x3x8xi8>, tensor<2x3x8xi8>,
      tensor<2x3x2xf32>, tensor<2x3x2xf16>, tensor<2xf32>, tensor<5x2xf64>, tensor<2x3x3xf32>, tensor<2x3x3xf32>
}
