// What is no linear layer stays as it is; what looks like one and is none says why.
//
// RUN: quant-opt %s --raise-linear -split-input-file -verify-diagnostics | FileCheck %s --implicit-check-not=ptq.linear

// Attention: products of two activations. No remark.
// CHECK-LABEL: func.func @attention
// CHECK: linalg.batch_matmul
// CHECK: linalg.batch_matmul
func.func @attention(%q: tensor<2x4x8xf32> {ptq.input = "q"}, %k: tensor<2x8x4xf32> {ptq.input = "k"}, %v: tensor<2x4x8xf32> {ptq.input = "v"})
    -> tensor<2x4x8xf32> {
  %c0 = arith.constant dense<0.0> : tensor<2x4x4xf32>
  %c1 = arith.constant dense<0.0> : tensor<2x4x8xf32>
  %s = linalg.batch_matmul ins(%q, %k : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%c0 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %o = linalg.batch_matmul ins(%s, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%c1 : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %o : tensor<2x4x8xf32>
}

// -----

// The same in a function that marks nothing.
// CHECK-LABEL: func.func @unmarked_attention
// CHECK: linalg.batch_matmul
func.func @unmarked_attention(%q: tensor<2x4x8xf32>, %k: tensor<2x8x4xf32>) -> tensor<2x4x4xf32> {
  %c = arith.constant dense<0.0> : tensor<2x4x4xf32>
  %s = linalg.batch_matmul ins(%q, %k : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%c : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  return %s : tensor<2x4x4xf32>
}

// -----

// Experts: a weight for each batch.
// CHECK-LABEL: func.func @batched_weight
// CHECK: linalg.batch_matmul {ptq.declined = "the weight differs along a batch dimension of size 2; one layer has one weight", ptq.layer = "experts"}
func.func @batched_weight(%x: tensor<2x4x8xf32> {ptq.input = "x"}, %w: tensor<2x8x16xf32> {ptq.parameter = "experts.weight"}) -> tensor<2x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<2x4x16xf32>
  // expected-remark @+1 {{linear layer 'experts' not raised: the weight differs along a batch dimension of size 2; one layer has one weight}}
  %y = linalg.batch_matmul ins(%x, %w : tensor<2x4x8xf32>, tensor<2x8x16xf32>) outs(%c : tensor<2x4x16xf32>) -> tensor<2x4x16xf32>
  return %y : tensor<2x4x16xf32>
}

// -----

// CHECK-LABEL: func.func @integers
// CHECK: linalg.matmul {ptq.declined = "its operands are integers: it is quantized already", ptq.layer = "fc"}
func.func @integers(%x: tensor<4x8xi8> {ptq.input = "x"}, %w: tensor<8x16xi8> {ptq.parameter = "fc.weight"}) -> tensor<4x16xi32> {
  %c = arith.constant dense<0> : tensor<4x16xi32>
  // expected-remark @+1 {{linear layer 'fc' not raised: its operands are integers: it is quantized already}}
  %y = linalg.matmul ins(%x, %w : tensor<4x8xi8>, tensor<8x16xi8>) outs(%c : tensor<4x16xi32>) -> tensor<4x16xi32>
  return %y : tensor<4x16xi32>
}

// -----

// CHECK-LABEL: func.func @quantized_matmul
func.func @quantized_matmul(%x: tensor<4x8xi8> {ptq.input = "x"}, %w: tensor<8x16xi8> {ptq.parameter = "fc.weight"}) -> tensor<4x16xi32> {
  %c = arith.constant dense<0> : tensor<4x16xi32>
  %z = arith.constant 3 : i32
  // expected-remark @+1 {{linear layer 'fc' not raised: its operands are integers: it is quantized already}}
  %y = linalg.quantized_matmul ins(%x, %w, %z, %z : tensor<4x8xi8>, tensor<8x16xi8>, i32, i32) outs(%c : tensor<4x16xi32>) -> tensor<4x16xi32>
  return %y : tensor<4x16xi32>
}

// -----

// Element types that a layer does not have.
// CHECK-LABEL: func.func @float8
func.func @float8(%x: tensor<4x8xf8E4M3FN> {ptq.input = "x"}, %w: tensor<8x16xf8E4M3FN> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  // expected-remark @+1 {{linear layer 'fc' not raised: its element types are not all f16, bf16, f32 or f64}}
  %y = linalg.matmul ins(%x, %w : tensor<4x8xf8E4M3FN>, tensor<8x16xf8E4M3FN>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// A convolution reads its input in windows.
// CHECK-LABEL: func.func @convolution
func.func @convolution(%x: tensor<1x8x8x3xf32> {ptq.input = "x"}, %w: tensor<3x3x3x4xf32> {ptq.parameter = "conv.weight"}) -> tensor<1x6x6x4xf32> {
  %c = arith.constant dense<0.0> : tensor<1x6x6x4xf32>
  // expected-remark @+1 {{linear layer 'conv' not raised: the indexing map of an operand is not a projected permutation}}
  %y = linalg.conv_2d_nhwc_hwcf ins(%x, %w : tensor<1x8x8x3xf32>, tensor<3x3x3x4xf32>) outs(%c : tensor<1x6x6x4xf32>) -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

// -----

// A product with a vector.
// CHECK-LABEL: func.func @vector
func.func @vector(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<8xf32> {ptq.parameter = "gate.weight"}) -> tensor<4xf32> {
  %c = arith.constant dense<0.0> : tensor<4xf32>
  // expected-remark @+1 {{linear layer 'gate' not raised: the weight is a vector: there is one output or one input channel only}}
  %y = linalg.matvec ins(%x, %w : tensor<4x8xf32>, tensor<8xf32>) outs(%c : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// One number for all output channels.
// CHECK-LABEL: func.func @broadcast_channels
func.func @broadcast_channels(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<8x16xf32>
  %b = linalg.broadcast ins(%w : tensor<8xf32>) outs(%e : tensor<8x16xf32>) dimensions = [1]
  // expected-remark @+1 {{linear layer 'fc' not raised: the weight is a broadcast along its output channels}}
  %y = linalg.matmul ins(%x, %b : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// CHECK-LABEL: func.func @broadcast_inputs
func.func @broadcast_inputs(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %e = tensor.empty() : tensor<8x16xf32>
  %b = linalg.broadcast ins(%w : tensor<16xf32>) outs(%e : tensor<8x16xf32>) dimensions = [0]
  // expected-remark @+1 {{linear layer 'fc' not raised: the weight is a broadcast along its input channels}}
  %y = linalg.matmul ins(%x, %b : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// One dimension of the parameter is split into rows and channels.
// CHECK-LABEL: func.func @mixed_dimension
func.func @mixed_dimension(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<128xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %v = tensor.expand_shape %w [[0, 1]] output_shape [8, 16] : tensor<128xf32> into tensor<8x16xf32>
  // expected-remark @+1 {{linear layer 'fc' not raised: one dimension of the weight holds both input and output channels}}
  %y = linalg.matmul ins(%x, %v : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// -----

// CHECK-LABEL: func.func @dynamic_weight
func.func @dynamic_weight(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<8x?xf32> {ptq.parameter = "fc.weight"}, %c: tensor<4x?xf32> {ptq.input = "c"}) -> tensor<4x?xf32> {
  // expected-remark @+1 {{linear layer 'fc' not raised: the weight's shape is dynamic}}
  %y = linalg.matmul ins(%x, %w : tensor<4x8xf32>, tensor<8x?xf32>) outs(%c : tensor<4x?xf32>) -> tensor<4x?xf32>
  return %y : tensor<4x?xf32>
}

// -----

// A product of parameters is a computation on parameters; a sum of maxima is no contraction; a splat is no weight.
// CHECK-LABEL: func.func @no_layers
func.func @no_layers(%x: tensor<4x8xf32> {ptq.input = "x"}, %v: tensor<4x8xf32> {ptq.parameter = "a.weight"}, %w: tensor<8x16xf32> {ptq.parameter = "b.weight"})
    -> (tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %ones = arith.constant dense<1.0> : tensor<8x16xf32>
  %0 = linalg.matmul ins(%v, %w : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.maximumf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<4x16xf32>
  %2 = linalg.matmul ins(%x, %ones : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %0, %1, %2 : tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>
}

// -----

// Memory instead of tensors, and no body at all.
// CHECK-LABEL: func.func @memory
func.func @memory(%x: memref<4x8xf32> {ptq.input = "x"}, %w: memref<8x16xf32> {ptq.parameter = "fc.weight"}, %y: memref<4x16xf32>) {
  linalg.matmul ins(%x, %w : memref<4x8xf32>, memref<8x16xf32>) outs(%y : memref<4x16xf32>)
  return
}

// CHECK: func.func private @external
func.func private @external(tensor<4x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<4x8xf32>
