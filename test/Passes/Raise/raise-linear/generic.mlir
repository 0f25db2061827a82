// linalg.generic contractions: loops in any order, several row and channel loops, operands in any layout.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --implicit-check-not=linalg.generic
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

// Loops k, n, m.
// CHECK-LABEL: func.func @reduction_first
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
// CHECK-NEXT: return
func.func @reduction_first(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(k, n, m) -> (m, k)>, affine_map<(k, n, m) -> (n, k)>, affine_map<(k, n, m) -> (m, n)>],
                       iterator_types = ["reduction", "parallel", "parallel"]}
    ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %b, %a : f32
      %q = arith.addf %p, %s : f32
      linalg.yield %q : f32
  } -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// The channels are the activation's first dimension, and the result is transposed.
// CHECK-LABEL: func.func @layouts
// CHECK: %[[X:.*]] = linalg.transpose ins(%arg0 : tensor<8x2x4xf32>) outs(%{{.*}} : tensor<2x4x8xf32>) permutation = [1, 2, 0]
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %[[X]], %arg1 {layer = "fc"} : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
// CHECK: %[[R:.*]] = linalg.transpose ins(%[[Y]] : tensor<2x4x16xf32>) outs(%{{.*}} : tensor<4x16x2xf32>) permutation = [1, 2, 0]
// CHECK: return %[[R]]
func.func @layouts(%x: tensor<8x2x4xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x16x2xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16x2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b, n, k) -> (k, a, b)>, affine_map<(a, b, n, k) -> (n, k)>, affine_map<(a, b, n, k) -> (b, n, a)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x, %w : tensor<8x2x4xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16x2xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<4x16x2xf32>
  return %y : tensor<4x16x2xf32>
}

// Rows in two loops, as heads of a projection: the layer has h·d output channels.
// CHECK-LABEL: func.func @two_row_loops
// CHECK: %[[W:.*]] = tensor.collapse_shape %arg1 {{\[\[}}0, 1], [2]] : tensor<2x3x8xf32> into tensor<6x8xf32>
// CHECK: %[[Y:.*]] = ptq.linear %arg0, %[[W]] {layer = "q"} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
// CHECK: %[[E:.*]] = tensor.expand_shape %[[Y]] {{\[\[}}0], [1, 2]] output_shape [4, 2, 3]
// CHECK: %[[R:.*]] = linalg.transpose ins(%[[E]] : tensor<4x2x3xf32>) outs(%{{.*}} : tensor<2x4x3xf32>) permutation = [1, 0, 2]
// CHECK: return %[[R]]
func.func @two_row_loops(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<2x3x8xf32> {ptq.parameter = "q.weight"}) -> tensor<2x4x3xf32> {
  %c = arith.constant dense<0.0> : tensor<2x4x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(h, m, d, k) -> (m, k)>, affine_map<(h, m, d, k) -> (h, d, k)>, affine_map<(h, m, d, k) -> (h, m, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x, %w : tensor<4x8xf32>, tensor<2x3x8xf32>) outs(%c : tensor<2x4x3xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<2x4x3xf32>
  return %y : tensor<2x4x3xf32>
}

// Channels in two loops, in the activation the other way round: the weight's order is the layer's.
// CHECK-LABEL: func.func @two_channel_loops
// CHECK: %[[T:.*]] = linalg.transpose ins(%arg0 : tensor<4x3x2xf32>) {{.*}} permutation = [0, 2, 1]
// CHECK: %[[X:.*]] = tensor.collapse_shape %[[T]] {{\[\[}}0], [1, 2]] : tensor<4x2x3xf32> into tensor<4x6xf32>
// CHECK: %[[P:.*]] = linalg.transpose ins(%arg1 : tensor<2x3x5xf32>) {{.*}} permutation = [2, 0, 1]
// CHECK: %[[W:.*]] = tensor.collapse_shape %[[P]] {{\[\[}}0], [1, 2]] : tensor<5x2x3xf32> into tensor<5x6xf32>
// CHECK: ptq.linear %[[X]], %[[W]] {layer = "o"} : (tensor<4x6xf32>, tensor<5x6xf32>) -> tensor<4x5xf32>
func.func @two_channel_loops(%x: tensor<4x3x2xf32> {ptq.input = "x"}, %w: tensor<2x3x5xf32> {ptq.parameter = "o.weight"}) -> tensor<4x5xf32> {
  %c = arith.constant dense<0.0> : tensor<4x5xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n, h, d) -> (m, d, h)>, affine_map<(m, n, h, d) -> (h, d, n)>, affine_map<(m, n, h, d) -> (m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
    ins(%x, %w : tensor<4x3x2xf32>, tensor<2x3x5xf32>) outs(%c : tensor<4x5xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// The weight is a matrix that the frontend expanded to heads: it is found as the matrix it is.
// CHECK-LABEL: func.func @expanded_rows
// CHECK: ptq.linear %arg0, %arg1 {layer = "q"} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
// CHECK: tensor.expand_shape
func.func @expanded_rows(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<6x8xf32> {ptq.parameter = "q.weight"}) -> tensor<4x2x3xf32> {
  %c = arith.constant dense<0.0> : tensor<4x2x3xf32>
  %v = tensor.expand_shape %w [[0, 1], [2]] output_shape [2, 3, 8] : tensor<6x8xf32> into tensor<2x3x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(h, m, d, k) -> (m, k)>, affine_map<(h, m, d, k) -> (h, d, k)>, affine_map<(h, m, d, k) -> (m, h, d)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x, %v : tensor<4x8xf32>, tensor<2x3x8xf32>) outs(%c : tensor<4x2x3xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<4x2x3xf32>
  return %y : tensor<4x2x3xf32>
}

// Batches of size 1 on the weight are the activation's.
// CHECK-LABEL: func.func @batch_of_one
// CHECK: ptq.linear %arg0, %{{.*}} {layer = "fc"} : (tensor<1x4x8xf32>, tensor<16x8xf32>) -> tensor<1x4x16xf32>
func.func @batch_of_one(%x: tensor<1x4x8xf32> {ptq.input = "x"}, %w: tensor<1x16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<1x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<1x4x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, n, k)>, affine_map<(b, m, n, k) -> (b, m, n)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x, %w : tensor<1x4x8xf32>, tensor<1x16x8xf32>) outs(%c : tensor<1x4x16xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<1x4x16xf32>
  return %y : tensor<1x4x16xf32>
}

// A body that casts its operands.
// CHECK-LABEL: func.func @casts_in_body
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xbf16>, tensor<16x8xf16>) -> tensor<4x16xf32>
func.func @casts_in_body(%x: tensor<4x8xbf16> {ptq.input = "x"}, %w: tensor<16x8xf16> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%x, %w : tensor<4x8xbf16>, tensor<16x8xf16>) outs(%c : tensor<4x16xf32>) {
    ^bb0(%a: bf16, %b: f16, %s: f32):
      %u = arith.extf %a : bf16 to f32
      %v = arith.extf %b : f16 to f32
      %p = arith.mulf %u, %v : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}
