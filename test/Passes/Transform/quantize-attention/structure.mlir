// What becomes a product of integers, in which layout, and what is left and why.
//
// RUN: quant-opt %s --quantize-attention --verify-diagnostics | FileCheck %s
// RUN: quant-opt %s --quantize-attention --verify-roundtrip -o /dev/null 2>/dev/null

// CHECK-LABEL: func.func @transposed_keys
// CHECK-SAME: (%[[Q:.*]]: tensor<8x256x32xf32> {{.*}}, %[[K:.*]]: tensor<8x32x256xf32>)
// CHECK: %[[QQ:.*]], %[[QS:.*]] = ptq.dynamic_quantize %[[Q]] {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<8x256x32xf32>) -> (tensor<8x256x32xi8>, tensor<8x256xf32>)
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[K]] : tensor<8x32x256xf32>) {{.*}} permutation = [0, 2, 1]
// CHECK: %[[KQ:.*]], %[[KS:.*]] = ptq.dynamic_quantize %[[T]]
// CHECK: %[[Y:.*]] = ptq.integer_batch_matmul %[[QQ]], %[[QS]], %[[KQ]], %[[KS]]
// CHECK: return %[[Y]]
func.func @transposed_keys(%q: tensor<8x256x32xf32> {ptq.input = "x"}, %k: tensor<8x32x256xf32>) -> tensor<8x256x256xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x256x256xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x256x256xf32>) -> tensor<8x256x256xf32>
  // expected-remark @+1 {{int8 attention: product of two activations quantized}}
  %s = linalg.batch_matmul ins(%q, %k : tensor<8x256x32xf32>, tensor<8x32x256xf32>) outs(%f : tensor<8x256x256xf32>) -> tensor<8x256x256xf32>
  return %s : tensor<8x256x256xf32>
}

// Queries of a group share a key: loops of the left side and the result alone, so more of its rows. 16 bits, dynamic sizes.
// CHECK-LABEL: func.func @grouped
// CHECK: tensor.collapse_shape {{.*}} {{\[\[}}0], [1], [2, 3], [4]] : tensor<1x2x4x?x16xf16> into tensor<1x2x?x16xf16>
// CHECK: ptq.integer_batch_matmul {{.*}} -> tensor<1x2x?x?xf32>
// CHECK: tensor.expand_shape {{.*}} : tensor<1x2x?x?xf32> into tensor<1x2x4x?x?xf32>
func.func @grouped(%q: tensor<1x2x4x?x16xf16> {ptq.input = "x"}, %k: tensor<1x2x?x16xf16>, %init: index, %n: index) -> tensor<1x2x4x?x?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%init, %n) : tensor<1x2x4x?x?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x4x?x?xf32>) -> tensor<1x2x4x?x?xf32>
  // expected-remark @+1 {{quantized}}
  %s = linalg.generic {indexing_maps = [affine_map<(b, h, g, m, n, k) -> (b, h, g, m, k)>, affine_map<(b, h, g, m, n, k) -> (b, h, n, k)>,
                                        affine_map<(b, h, g, m, n, k) -> (b, h, g, m, n)>],
                       iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]}
    ins(%q, %k : tensor<1x2x4x?x16xf16>, tensor<1x2x?x16xf16>) outs(%f : tensor<1x2x4x?x?xf32>) {
    ^bb0(%a: f16, %b: f16, %o: f32):
      %x = arith.extf %a : f16 to f32
      %y = arith.extf %b : f16 to f32
      %p = arith.mulf %x, %y : f32
      %r = arith.addf %o, %p : f32
      linalg.yield %r : f32
  } -> tensor<1x2x4x?x?xf32>
  return %s : tensor<1x2x4x?x?xf32>
}

// Positions times frequencies look like keys, but sum nothing.
// CHECK-LABEL: func.func @rotary
// CHECK: linalg.batch_matmul
func.func @rotary(%x: tensor<1x16x1xf32> {ptq.input = "x"}, %y: tensor<1x1x256xf32>) -> tensor<1x16x256xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16x256xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x256xf32>) -> tensor<1x16x256xf32>
  // expected-remark @+1 {{product of two activations left: it sums nothing: the contracted dimension has one element}}
  %s = linalg.batch_matmul ins(%x, %y : tensor<1x16x1xf32>, tensor<1x1x256xf32>) outs(%f : tensor<1x16x256xf32>) -> tensor<1x16x256xf32>
  return %s : tensor<1x16x256xf32>
}

// CHECK-LABEL: func.func @others
// CHECK-NOT: ptq.integer_batch_matmul
func.func @others(%a: tensor<2x4x8xf64> {ptq.input = "x"}, %b: tensor<2x8x4xf64>, %x: tensor<2x4x8xf32>, %y: tensor<2x8x4xf32>, %init: tensor<2x4x4xf32>)
    -> (tensor<2x4x4xf64>, tensor<2x4x4xf32>, tensor<2x4x4xf32>) {
  %zero = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<2x4x4xf64>
  %f = linalg.fill ins(%zero : f64) outs(%e : tensor<2x4x4xf64>) -> tensor<2x4x4xf64>
  // expected-remark @+1 {{left: its elements are not f32, f16 or bf16}}
  %s = linalg.batch_matmul ins(%a, %b : tensor<2x4x8xf64>, tensor<2x8x4xf64>) outs(%f : tensor<2x4x4xf64>) -> tensor<2x4x4xf64>
  // expected-remark @+1 {{left: it adds to initial values}}
  %t = linalg.batch_matmul ins(%x, %y : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%init : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %zero32 = arith.constant 0.0 : f32
  %e32 = tensor.empty() : tensor<2x4x4xf32>
  %f32 = linalg.fill ins(%zero32 : f32) outs(%e32 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  // expected-remark @+1 {{left: its body computes more than a product}}
  %u = linalg.generic {indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x, %y : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%f32 : tensor<2x4x4xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %n = arith.negf %p : f32
      %m = arith.mulf %n, %q : f32
      %r = arith.addf %o, %m : f32
      linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  return %s, %t, %u : tensor<2x4x4xf64>, tensor<2x4x4xf32>, tensor<2x4x4xf32>
}
