// A bias, wherever the frontend adds it, becomes the layer's; everything else that is added stays.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --implicit-check-not=linalg.matmul
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#out = affine_map<(m, n, k) -> (m, n)>
#mn = affine_map<(m, n) -> (m, n)>
#n = affine_map<(m, n) -> (n)>
#m = affine_map<(m, n) -> (m)>
#zn = affine_map<(m, n) -> (0, n)>

// CHECK-LABEL: func.func @after
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"}
// CHECK-SAME: : (tensor<4x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<4x16xf32>
// CHECK-NEXT: return %[[Y]]
func.func @after(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                 %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%y, %b : tensor<4x16xf32>, tensor<16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %u, %v : f32
      linalg.yield %s : f32
  } -> tensor<4x16xf32>
  return %r : tensor<4x16xf32>
}

// CHECK-LABEL: func.func @bias_first
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"}
// CHECK-NEXT: return
func.func @bias_first(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                      %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#n, #mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%b, %y : tensor<16xf32>, tensor<4x16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %v, %u : f32
      linalg.yield %s : f32
  } -> tensor<4x16xf32>
  return %r : tensor<4x16xf32>
}

// A row [1, n], with a constant 0 in its map; it is collapsed to a vector.
// CHECK-LABEL: func.func @row
// CHECK-NEXT: %[[B:.*]] = tensor.collapse_shape %arg2 {{\[\[}}0, 1]] : tensor<1x16xf32> into tensor<16xf32>
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %[[B]] {layer = "fc"}
// CHECK-NEXT: return
func.func @row(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
               %b: tensor<1x16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#zn, #mn, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%b, %y : tensor<1x16xf32>, tensor<4x16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %v, %u : f32
      linalg.yield %s : f32
  } -> tensor<4x16xf32>
  return %r : tensor<4x16xf32>
}

// addmm: the bias is the accumulator's initial value, by linalg.broadcast or a generic.
// CHECK-LABEL: func.func @as_init
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"}
// CHECK-NEXT: ptq.linear %{{.*}}, %arg1 bias %arg2 {layer = "fc@2"}
// CHECK-NEXT: return
func.func @as_init(%x: tensor<4x16xf32> {ptq.input = "x"}, %w: tensor<16x16xf32> {ptq.parameter = "fc.weight"},
                   %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %e = tensor.empty() : tensor<4x16xf32>
  %c0 = linalg.broadcast ins(%b : tensor<16xf32>) outs(%e : tensor<4x16xf32>) dimensions = [0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x16xf32>, tensor<16x16xf32>) outs(%c0 : tensor<4x16xf32>) -> tensor<4x16xf32>
  %c1 = linalg.generic {indexing_maps = [#n, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%b : tensor<16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %o: f32):
      linalg.yield %u : f32
  } -> tensor<4x16xf32>
  %z = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%y, %w : tensor<4x16xf32>, tensor<16x16xf32>) outs(%c1 : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %z : tensor<4x16xf32>
}

// A residual as the initial value is added afterwards.
// CHECK-LABEL: func.func @residual_as_init
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf32>, tensor<8x8xf32>)
// CHECK-NEXT: %[[R:.*]] = arith.addf %[[Y]], %arg0
// CHECK-NEXT: return %[[R]]
func.func @residual_as_init(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<8x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x8xf32> {
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%x : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// StableHLO: the bias is broadcast first, and added by linalg.map; TOSA: by linalg.add.
// CHECK-LABEL: func.func @map_and_add
// CHECK: ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"}
// CHECK-NEXT: ptq.linear %{{.*}}, %arg1 bias %arg2 {layer = "fc@2"}
// CHECK-NEXT: return
func.func @map_and_add(%x: tensor<4x16xf32> {ptq.input = "x"}, %w: tensor<16x16xf32> {ptq.parameter = "fc.weight"},
                       %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %bb = linalg.broadcast ins(%b : tensor<16xf32>) outs(%e : tensor<4x16xf32>) dimensions = [0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x16xf32>, tensor<16x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.map { arith.addf } ins(%y, %bb : tensor<4x16xf32>, tensor<4x16xf32>) outs(%e : tensor<4x16xf32>)
  %z = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%r, %w : tensor<4x16xf32>, tensor<16x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %s = linalg.add ins(%bb, %z : tensor<4x16xf32>, tensor<4x16xf32>) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %s : tensor<4x16xf32>
}

// view, mm, view, add: the bias is added after the result is expanded again.
// CHECK-LABEL: func.func @through_expand
// CHECK: %[[Y:.*]] = ptq.linear %{{.*}}, %arg1 bias %arg2 {layer = "fc"} : (tensor<8x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<8x16xf32>
// CHECK-NEXT: %[[E:.*]] = tensor.expand_shape %[[Y]]
// CHECK-NEXT: return %[[E]]
func.func @through_expand(%x: tensor<2x4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                          %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<2x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<8x16xf32>
  %e = tensor.empty() : tensor<2x4x16xf32>
  %v = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x4x8xf32> into tensor<8x8xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%v, %w : tensor<8x8xf32>, tensor<16x8xf32>) outs(%c : tensor<8x16xf32>) -> tensor<8x16xf32>
  %u = tensor.expand_shape %y [[0, 1], [2]] output_shape [2, 4, 16] : tensor<8x16xf32> into tensor<2x4x16xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (c)>, affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%b, %u : tensor<16xf32>, tensor<2x4x16xf32>) outs(%e : tensor<2x4x16xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %s = arith.addf %p, %q : f32
      linalg.yield %s : f32
  } -> tensor<2x4x16xf32>
  return %r : tensor<2x4x16xf32>
}

// An argument of a function that marks none, and a constant of one element, which is always a splat, are biases too.
// CHECK-LABEL: func.func @unmarked
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %arg2 {layer = "arg1"}
// CHECK-NEXT: return
func.func @unmarked(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>, %b: tensor<16xf32>) -> tensor<4x16xf32> {
  %e = tensor.empty() : tensor<4x16xf32>
  %c = linalg.broadcast ins(%b : tensor<16xf32>) outs(%e : tensor<4x16xf32>) dimensions = [0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// CHECK-LABEL: func.func @one_output
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %[[B]] {layer = "fc"}
// CHECK-NEXT: return
func.func @one_output(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<1x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x1xf32> {
  %b = arith.constant dense<0.5> : tensor<1xf32>
  %e = tensor.empty() : tensor<4x1xf32>
  %c = linalg.broadcast ins(%b : tensor<1xf32>) outs(%e : tensor<4x1xf32>) dimensions = [0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<1x8xf32>) outs(%c : tensor<4x1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// A vector along the rows is no bias; neither is one that is added where the layer's value has another reader.
// CHECK-LABEL: func.func @along_rows
// CHECK: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<16x16xf32>
// CHECK-NEXT: linalg.generic
func.func @along_rows(%x: tensor<16x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                      %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<16x16xf32> {
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %e = tensor.empty() : tensor<16x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<16x8xf32>, tensor<16x8xf32>) outs(%c : tensor<16x16xf32>) -> tensor<16x16xf32>
  %r = linalg.generic {indexing_maps = [#mn, #m, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%y, %b : tensor<16x16xf32>, tensor<16xf32>) outs(%e : tensor<16x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %u, %v : f32
      linalg.yield %s : f32
  } -> tensor<16x16xf32>
  return %r : tensor<16x16xf32>
}

// CHECK-LABEL: func.func @other_reader
// CHECK: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
func.func @other_reader(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                        %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%y, %b : tensor<4x16xf32>, tensor<16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %u, %v : f32
      linalg.yield %s : f32
  } -> tensor<4x16xf32>
  return %y, %r : tensor<4x16xf32>, tensor<4x16xf32>
}

// A subtraction is no addition, and an addition that uses its accumulator is none of two values.
// CHECK-LABEL: func.func @not_an_addition
// CHECK: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
// CHECK: arith.subf
func.func @not_an_addition(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                           %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #out] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]}
    ins(%y, %b : tensor<4x16xf32>, tensor<16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.subf %u, %v : f32
      linalg.yield %s : f32
  } -> tensor<4x16xf32>
  return %r : tensor<4x16xf32>
}
