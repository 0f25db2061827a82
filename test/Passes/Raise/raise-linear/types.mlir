// 16-bit forms: what is rounded where.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --implicit-check-not=linalg.matmul
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#out = affine_map<(m, n, k) -> (m, n)>
#mn = affine_map<(m, n) -> (m, n)>
#n = affine_map<(m, n) -> (n)>

// Accumulated in float32, then rounded: the layer does both.
// CHECK-LABEL: func.func @accumulate_f32
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf16>, tensor<16x8xf16>) -> tensor<4x16xf16>
// CHECK-NEXT: return
func.func @accumulate_f32(%x: tensor<4x8xf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf16> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf16>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf16>, tensor<16x8xf16>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%y : tensor<4x16xf32>) outs(%e : tensor<4x16xf16>) {
    ^bb0(%u: f32, %o: f16):
      %s = arith.truncf %u : f32 to f16
      linalg.yield %s : f16
  } -> tensor<4x16xf16>
  return %r : tensor<4x16xf16>
}

// The accumulator is of 16 bits: so is the result.
// CHECK-LABEL: func.func @accumulate_bf16
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xbf16>, tensor<16x8xbf16>) -> tensor<4x16xbf16>
func.func @accumulate_bf16(%x: tensor<4x8xbf16> {ptq.input = "x"}, %w: tensor<16x8xbf16> {ptq.parameter = "fc.weight"}) -> tensor<4x16xbf16> {
  %c = arith.constant dense<0.0> : tensor<4x16xbf16>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xbf16>, tensor<16x8xbf16>) outs(%c : tensor<4x16xbf16>) -> tensor<4x16xbf16>
  return %y : tensor<4x16xbf16>
}

// The bias is added in float32 and the sum rounded once: bias and cast are the layer's.
// CHECK-LABEL: func.func @bias_then_round
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"} : (tensor<4x8xf16>, tensor<16x8xf16>, tensor<16xf32>) -> tensor<4x16xf16>
// CHECK-NEXT: return
func.func @bias_then_round(%x: tensor<4x8xf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"},
                           %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf16> {
  %e = tensor.empty() : tensor<4x16xf32>
  %c = linalg.broadcast ins(%b : tensor<16xf32>) outs(%e : tensor<4x16xf32>) dimensions = [0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf16>, tensor<16x8xf16>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = arith.truncf %y : tensor<4x16xf32> to tensor<4x16xf16>
  return %r : tensor<4x16xf16>
}

// Rounded first, and the bias added in 16 bits: that is another sum, and stays.
// CHECK-LABEL: func.func @round_then_bias
// CHECK: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf16>, tensor<16x8xf16>) -> tensor<4x16xf16>
// CHECK-NEXT: linalg.generic
// CHECK: arith.addf %{{.*}} : f16
func.func @round_then_bias(%x: tensor<4x8xf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"},
                           %b: tensor<16xf16> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf16> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf16>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf16>, tensor<16x8xf16>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %t = arith.truncf %y : tensor<4x16xf32> to tensor<4x16xf16>
  %r = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%t, %b : tensor<4x16xf16>, tensor<16xf16>) outs(%e : tensor<4x16xf16>) {
    ^bb0(%u: f16, %v: f16, %o: f16):
      %s = arith.addf %u, %v : f16
      linalg.yield %s : f16
  } -> tensor<4x16xf16>
  return %r : tensor<4x16xf16>
}

// A result that is read in float32 too keeps its cast.
// CHECK-LABEL: func.func @read_twice
// CHECK: %[[Y:.*]] = ptq.linear {{.*}} -> tensor<4x16xf32>
// CHECK: arith.truncf %[[Y]]
func.func @read_twice(%x: tensor<4x8xf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"})
    -> (tensor<4x16xf16>, tensor<4x16xf32>) {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf16>, tensor<16x8xf16>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = arith.truncf %y : tensor<4x16xf32> to tensor<4x16xf16>
  return %r, %y : tensor<4x16xf16>, tensor<4x16xf32>
}

// The weight is cast, before or after its transpose: the cast stays on the weight.
// CHECK-LABEL: func.func @weight_cast
// CHECK: %[[W0:.*]] = arith.truncf %arg1 : tensor<16x8xf32> to tensor<16x8xbf16>
// CHECK: ptq.linear %arg0, %[[W0]] {layer = "fc"} : (tensor<4x8xbf16>, tensor<16x8xbf16>) -> tensor<4x16xbf16>
// CHECK: %[[W1:.*]] = arith.truncf %arg1 : tensor<16x8xf32> to tensor<16x8xbf16>
// CHECK: ptq.linear %arg0, %[[W1]] {layer = "fc@2"} : (tensor<4x8xbf16>, tensor<16x8xbf16>) -> tensor<4x16xbf16>
func.func @weight_cast(%x: tensor<4x8xbf16> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"})
    -> (tensor<4x16xbf16>, tensor<4x16xbf16>) {
  %c = arith.constant dense<0.0> : tensor<4x16xbf16>
  %e0 = tensor.empty() : tensor<16x8xbf16>
  %e1 = tensor.empty() : tensor<8x16xbf16>
  %e2 = tensor.empty() : tensor<8x16xf32>
  %w0 = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%w : tensor<16x8xf32>) outs(%e0 : tensor<16x8xbf16>) {
    ^bb0(%u: f32, %o: bf16):
      %s = arith.truncf %u : f32 to bf16
      linalg.yield %s : bf16
  } -> tensor<16x8xbf16>
  %t0 = linalg.transpose ins(%w0 : tensor<16x8xbf16>) outs(%e1 : tensor<8x16xbf16>) permutation = [1, 0]
  %y0 = linalg.matmul ins(%x, %t0 : tensor<4x8xbf16>, tensor<8x16xbf16>) outs(%c : tensor<4x16xbf16>) -> tensor<4x16xbf16>
  %t1 = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%e2 : tensor<8x16xf32>) permutation = [1, 0]
  %w1 = arith.truncf %t1 : tensor<8x16xf32> to tensor<8x16xbf16>
  %y1 = linalg.matmul ins(%x, %w1 : tensor<4x8xbf16>, tensor<8x16xbf16>) outs(%c : tensor<4x16xbf16>) -> tensor<4x16xbf16>
  return %y0, %y1 : tensor<4x16xbf16>, tensor<4x16xbf16>
}

// Two casts in one body are two casts: from f16 to bf16 by way of f32, and a rounding to f16 that is widened again.
// CHECK-LABEL: func.func @two_casts
// CHECK: %[[A:.*]] = arith.extf %arg1 : tensor<16x8xf16> to tensor<16x8xf32>
// CHECK: %[[B:.*]] = arith.truncf %[[A]] : tensor<16x8xf32> to tensor<16x8xbf16>
// CHECK: ptq.linear %arg0, %[[B]] {layer = "fc"} : (tensor<4x8xbf16>, tensor<16x8xbf16>)
// CHECK: %[[C:.*]] = arith.truncf %arg2 : tensor<16x8xf32> to tensor<16x8xf16>
// CHECK: %[[D:.*]] = arith.extf %[[C]] : tensor<16x8xf16> to tensor<16x8xf32>
// CHECK: ptq.linear %arg0, %[[D]] {layer = "gc"} : (tensor<4x8xbf16>, tensor<16x8xf32>)
func.func @two_casts(%x: tensor<4x8xbf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"},
                     %v: tensor<16x8xf32> {ptq.parameter = "gc.weight"}) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e0 = tensor.empty() : tensor<16x8xbf16>
  %e1 = tensor.empty() : tensor<16x8xf32>
  %w0 = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%w : tensor<16x8xf16>) outs(%e0 : tensor<16x8xbf16>) {
    ^bb0(%u: f16, %o: bf16):
      %s = arith.extf %u : f16 to f32
      %t = arith.truncf %s : f32 to bf16
      linalg.yield %t : bf16
  } -> tensor<16x8xbf16>
  %v0 = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%v : tensor<16x8xf32>) outs(%e1 : tensor<16x8xf32>) {
    ^bb0(%u: f32, %o: f32):
      %s = arith.truncf %u : f32 to f16
      %t = arith.extf %s : f16 to f32
      linalg.yield %t : f32
  } -> tensor<16x8xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w0 : tensor<4x8xbf16>, tensor<16x8xbf16>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %z = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %v0 : tensor<4x8xbf16>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y, %z : tensor<4x16xf32>, tensor<4x16xf32>
}

// Double precision.
// CHECK-LABEL: func.func @double
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf64>, tensor<16x8xf64>) -> tensor<4x16xf64>
func.func @double(%x: tensor<4x8xf64> {ptq.input = "x"}, %w: tensor<16x8xf64> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf64> {
  %c = arith.constant dense<0.0> : tensor<4x16xf64>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf64>, tensor<16x8xf64>) outs(%c : tensor<4x16xf64>) -> tensor<4x16xf64>
  return %y : tensor<4x16xf64>
}
