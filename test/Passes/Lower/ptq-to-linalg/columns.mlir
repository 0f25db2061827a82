// Operations on columns and layers with outliers, executed as they are, lowered to linalg, and lowered for the CPU: the
// same results, whatever the types and shapes, for columns that are constants and for those found in each call. Those are
// two in the first sample and all in the second, or none and some: a call without outliers is one of each layer's.
//
// RUN: rm -rf %t && split-file %s %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x2x3x8=-30.1,0.77 h:F16:2x2x3x8=-7,0.375 v:F32:2x8=-3,0.5 d:F64:2x5x8=-31,0.7
// RUN: quant-opt %t/all.mlir --ptq-to-linalg -o %t/lowered.mlir
// RUN: mlir-opt %t/lowered.mlir -o /dev/null
// RUN: quant-run %t/lowered.mlir --inputs=%t/x.safetensors --reference=%t/all.mlir | FileCheck %s
// RUN: quant-opt %t/all.mlir --ptq-to-cpu -o %t/cpu.mlir
// RUN: quant-run %t/cpu.mlir --inputs=%t/x.safetensors --reference=%t/all.mlir | FileCheck %s
// What moves columns is equal; layers are up to the order in which the products of their outliers are added.
// CHECK-COUNT-10: inf {{ *}}1.00000000 {{ *}}0 {{ *}}0
// CHECK-COUNT-7: {{(inf|1[3-9][0-9]\.[0-9]+|[23][0-9][0-9]\.[0-9]+) *1\.00000000}}
//
// The runtime has no float64; and columns are moved by linalg, whatever their type.
// RUN: FileCheck %s --check-prefix=CALLS --input-file=%t/cpu.mlir
// CALLS-COUNT-4: call @ptq_rt_outlier_columns
// CALLS-NOT: call @ptq_rt_outlier_columns

//--- all.mlir
#token = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>
#channel = #ptq.scheme<bits = 8, symmetric, per_channel>
func.func @main(%x: tensor<2x3x8xf32> {ptq.input = "x"}, %h: tensor<2x3x8xf16> {ptq.input = "h"}, %v: tensor<8xf32> {ptq.input = "v"},
                %d: tensor<5x8xf64> {ptq.input = "d"})
    -> (tensor<2x3x3xf32>, tensor<2x3x5xf32>, tensor<2x3x8xf32>, tensor<2x3x3xi8>, tensor<2x3x5xi8>, tensor<2x3x8xi8>, tensor<2x3x3xf16>,
        tensor<5x5xf64>, tensor<2x3x8xf32>, tensor<2x3x8xf32>,
        tensor<2x3x2xf32>, tensor<2x3x2xf32>, tensor<2x3x2xf32>, tensor<2x3x2xf16>, tensor<2xf32>, tensor<5x2xf64>, tensor<2x3x2xf32>) {
  %w = arith.constant dense<[[1, -2, 127, -128, 5, 6, -7, 8], [-9, 10, 11, -12, 13, 14, 15, -16]]> : tensor<2x8xi8>
  %ws = arith.constant dense<[[0.013], [0.27]]> : tensor<2x1xf32>
  %wf = arith.constant dense<[[0.1, -0.7, 1.3, 2.9, -3.1, 0.03, 4.4, -0.9], [-9.1, 1.0, 0.11, -1.2, 1.3, 0.14, 7.7, -0.16]]> : tensor<2x8xf32>
  %wh = arith.constant dense<[[0.1, -0.7, 1.3, 2.9, -3.1, 0.03, 4.4, -0.9], [-9.1, 1.0, 0.11, -1.2, 1.3, 0.14, 7.7, -0.16]]> : tensor<2x8xf16>
  %wd = arith.constant dense<[[0.1, -0.7, 1.3, 2.9, -3.1, 0.03, 4.4, -0.9], [-9.1, 1.0, 0.11, -1.2, 1.3, 0.14, 7.7, -0.16]]> : tensor<2x8xf64>
  %w4 = arith.constant dense<[[305419896], [-19088744]]> : tensor<2x1xi32>
  %wg = arith.constant dense<[[0.3, 0.07], [0.011, 1.7]]> : tensor<2x2xf32>
  %b = arith.constant dense<[0.1, -3.3]> : tensor<2xf32>

  // Columns that are known: moved.
  %c = arith.constant dense<[1, 4, 7]> : tensor<3xi32>
  %0 = ptq.select_columns %x, %c : (tensor<2x3x8xf32>, tensor<3xi32>) -> tensor<2x3x3xf32>
  %1 = ptq.drop_columns %x, %c : (tensor<2x3x8xf32>, tensor<3xi32>) -> tensor<2x3x5xf32>
  %2 = ptq.clear_columns %x, %c : (tensor<2x3x8xf32>, tensor<3xi32>) -> tensor<2x3x8xf32>
  %q, %s = ptq.dynamic_quantize %x {scheme = #token} : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf32>)
  %3 = ptq.select_columns %q, %c : (tensor<2x3x8xi8>, tensor<3xi32>) -> tensor<2x3x3xi8>
  %4 = ptq.drop_columns %q, %c : (tensor<2x3x8xi8>, tensor<3xi32>) -> tensor<2x3x5xi8>
  %5 = ptq.clear_columns %q, %c : (tensor<2x3x8xi8>, tensor<3xi32>) -> tensor<2x3x8xi8>
  %6 = ptq.select_columns %h, %c : (tensor<2x3x8xf16>, tensor<3xi32>) -> tensor<2x3x3xf16>
  %7 = ptq.drop_columns %d, %c : (tensor<5x8xf64>, tensor<3xi32>) -> tensor<5x5xf64>

  // The static form: the weight has the other columns only.
  %w5 = ptq.drop_columns %w, %c : (tensor<2x8xi8>, tensor<3xi32>) -> tensor<2x5xi8>
  %wo = ptq.select_columns %wf, %c : (tensor<2x8xf32>, tensor<3xi32>) -> tensor<2x3xf32>
  %q1, %s1 = ptq.dynamic_quantize %1 {scheme = #token} : (tensor<2x3x5xf32>) -> (tensor<2x3x5xi8>, tensor<2x3xf32>)
  %10 = ptq.integer_linear %q1, %s1, %w5, %ws outliers %0, %wo bias %b {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<2x3x5xi8>, tensor<2x3xf32>, tensor<2x5xi8>, tensor<2x1xf32>, tensor<2x3x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3x2xf32>

  // The dynamic one: two and all; none and two.
  %c29 = ptq.outlier_columns %x {threshold = 29.0 : f64} : tensor<2x3x8xf32> -> tensor<?xi32>
  %8 = ptq.clear_columns %x, %c29 : (tensor<2x3x8xf32>, tensor<?xi32>) -> tensor<2x3x8xf32>
  %x29 = ptq.select_columns %x, %c29 : (tensor<2x3x8xf32>, tensor<?xi32>) -> tensor<2x3x?xf32>
  %w29 = ptq.select_columns %wf, %c29 : (tensor<2x8xf32>, tensor<?xi32>) -> tensor<2x?xf32>
  %q8, %s8 = ptq.dynamic_quantize %8 {scheme = #token} : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf32>)
  %11 = ptq.integer_linear %q8, %s8, %w, %ws outliers %x29, %w29 {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x8xi8>, tensor<2x1xf32>, tensor<2x3x?xf32>, tensor<2x?xf32>) -> tensor<2x3x2xf32>
  %c42 = ptq.outlier_columns %x {threshold = 42.0 : f64} : tensor<2x3x8xf32> -> tensor<?xi32>
  %9 = ptq.clear_columns %x, %c42 : (tensor<2x3x8xf32>, tensor<?xi32>) -> tensor<2x3x8xf32>
  %x42 = ptq.select_columns %x, %c42 : (tensor<2x3x8xf32>, tensor<?xi32>) -> tensor<2x3x?xf32>
  %w42 = ptq.select_columns %wh, %c42 : (tensor<2x8xf16>, tensor<?xi32>) -> tensor<2x?xf16>
  %q9, %s9 = ptq.dynamic_quantize %9 {scheme = #token} : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf32>)
  // In groups.
  %12 = ptq.integer_linear %q9, %s9, %w, %wg outliers %x42, %w42 bias %b
          {activation_scheme = #token, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>}
     : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x8xi8>, tensor<2x2xf32>, tensor<2x3x?xf32>, tensor<2x?xf16>, tensor<2xf32>) -> tensor<2x3x2xf32>
  // In 16 bits: one column and all; a vector: none and three.
  %ch = ptq.outlier_columns %h {threshold = 10.3 : f64} : tensor<2x3x8xf16> -> tensor<?xi32>
  %hc = ptq.clear_columns %h, %ch : (tensor<2x3x8xf16>, tensor<?xi32>) -> tensor<2x3x8xf16>
  %xh = ptq.select_columns %h, %ch : (tensor<2x3x8xf16>, tensor<?xi32>) -> tensor<2x3x?xf16>
  %woh = ptq.select_columns %wh, %ch : (tensor<2x8xf16>, tensor<?xi32>) -> tensor<2x?xf16>
  %qh, %sh = ptq.dynamic_quantize %hc {scheme = #token} : (tensor<2x3x8xf16>) -> (tensor<2x3x8xi8>, tensor<2x3xf16>)
  %13 = ptq.integer_linear %qh, %sh, %w, %ws outliers %xh, %woh bias %b {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<2x3x8xi8>, tensor<2x3xf16>, tensor<2x8xi8>, tensor<2x1xf32>, tensor<2x3x?xf16>, tensor<2x?xf16>, tensor<2xf32>) -> tensor<2x3x2xf16>
  %cv = ptq.outlier_columns %v {threshold = 3.5 : f64} : tensor<8xf32> -> tensor<?xi32>
  %vc = ptq.clear_columns %v, %cv : (tensor<8xf32>, tensor<?xi32>) -> tensor<8xf32>
  %xv = ptq.select_columns %v, %cv : (tensor<8xf32>, tensor<?xi32>) -> tensor<?xf32>
  %wv = ptq.select_columns %wf, %cv : (tensor<2x8xf32>, tensor<?xi32>) -> tensor<2x?xf32>
  %qv, %sv = ptq.dynamic_quantize %vc {scheme = #token} : (tensor<8xf32>) -> (tensor<8xi8>, tensor<f32>)
  %14 = ptq.integer_linear %qv, %sv, %w, %ws outliers %xv, %wv bias %b {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<8xi8>, tensor<f32>, tensor<2x8xi8>, tensor<2x1xf32>, tensor<?xf32>, tensor<2x?xf32>, tensor<2xf32>) -> tensor<2xf32>
  // In float64: two and none.
  %cd = ptq.outlier_columns %d {threshold = 30.0 : f64} : tensor<5x8xf64> -> tensor<?xi32>
  %dc = ptq.clear_columns %d, %cd : (tensor<5x8xf64>, tensor<?xi32>) -> tensor<5x8xf64>
  %xd = ptq.select_columns %d, %cd : (tensor<5x8xf64>, tensor<?xi32>) -> tensor<5x?xf64>
  %wod = ptq.select_columns %wd, %cd : (tensor<2x8xf64>, tensor<?xi32>) -> tensor<2x?xf64>
  %qd, %sd = ptq.dynamic_quantize %dc {scheme = #token} : (tensor<5x8xf64>) -> (tensor<5x8xi8>, tensor<5xf64>)
  %15 = ptq.integer_linear %qd, %sd, %w, %ws outliers %xd, %wod {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<5x8xi8>, tensor<5xf64>, tensor<2x8xi8>, tensor<2x1xf32>, tensor<5x?xf64>, tensor<2x?xf64>) -> tensor<5x2xf64>
  // With zero points and a packed weight.
  %qa, %sa, %za = ptq.dynamic_quantize %8 {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>}
     : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3xi8>)
  %16 = ptq.integer_linear %qa, %sa x_zero_points %za, %w4, %wg outliers %x29, %w29 bias %b
          {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>}
     : (tensor<2x3x8xi8>, tensor<2x3xf32>, tensor<2x3xi8>, tensor<2x1xi32>, tensor<2x2xf32>, tensor<2x3x?xf32>, tensor<2x?xf32>, tensor<2xf32>) -> tensor<2x3x2xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16
    : tensor<2x3x3xf32>, tensor<2x3x5xf32>, tensor<2x3x8xf32>, tensor<2x3x3xi8>, tensor<2x3x5xi8>, tensor<2x3x8xi8>, tensor<2x3x3xf16>,
      tensor<5x5xf64>, tensor<2x3x8xf32>, tensor<2x3x8xf32>,
      tensor<2x3x2xf32>, tensor<2x3x2xf32>, tensor<2x3x2xf32>, tensor<2x3x2xf16>, tensor<2xf32>, tensor<5x2xf64>, tensor<2x3x2xf32>
}
