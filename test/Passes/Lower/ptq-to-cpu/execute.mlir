// The calls, bufferized and lowered by upstream's passes and run by the stock mlir-runner with the runtime, print what
// the reference lowering prints: integers and floats, for static and dynamic shapes, strided operands, 16 bits, groups,
// zero points and packed weights.
//
// RUN: quant-opt %s --ptq-to-linalg --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils \
// RUN:   | grep -v Memref > %t.linalg
// RUN: quant-opt %s --ptq-to-cpu --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils,%ptq_runtime \
// RUN:   | grep -v Memref > %t.cpu
// RUN: diff %t.linalg %t.cpu
// RUN: FileCheck %s --input-file=%t.cpu

func.func private @printMemrefF32(tensor<*xf32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}
func.func private @printMemrefI32(tensor<*xi32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}

#id = affine_map<(i, j) -> (i, j)>
func.func private @print8(%x: tensor<?x?xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = tensor.dim %x, %c0 : tensor<?x?xi8>
  %n = tensor.dim %x, %c1 : tensor<?x?xi8>
  %e = tensor.empty(%m, %n) : tensor<?x?xi32>
  %w = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%x : tensor<?x?xi8>) outs(%e : tensor<?x?xi32>) {
    ^bb0(%i: i8, %o: i32):
      %v = arith.extsi %i : i8 to i32
      linalg.yield %v : i32
  } -> tensor<?x?xi32>
  %u = tensor.cast %w : tensor<?x?xi32> to tensor<*xi32>
  call @printMemrefI32(%u) : (tensor<*xi32>) -> ()
  return
}

// An activation that is not the same in any two places.
func.func private @activation(%tokens: index, %channels: index) -> tensor<?x?xf32> {
  %e = tensor.empty(%tokens, %channels) : tensor<?x?xf32>
  %x = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x?xf32>) {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %j = linalg.index 1 : index
      %c7 = arith.constant 7 : index
      %c23 = arith.constant 23 : index
      %c11 = arith.constant 11 : index
      %a = arith.muli %i, %c7 : index
      %b = arith.muli %j, %c11 : index
      %s = arith.addi %a, %b : index
      %r = arith.remui %s, %c23 : index
      %k = arith.index_cast %r : index to i32
      %f = arith.sitofp %k : i32 to f32
      %h = arith.constant 9.25 : f32
      %g = arith.subf %f, %h : f32
      linalg.yield %g : f32
  } -> tensor<?x?xf32>
  return %x : tensor<?x?xf32>
}

// Tokens, quantized per token with channel scales, through a layer with a bias: 5x8 by 3x8.
// The first row is -9.25, 0.875, 25.5, 0.75, 11.75, -0.75, 1.34375, -1.25 over 25.5/127; the first result
// 727*0.5*25.5/127 + 0.1.
// CHECK: {{\[}}[-46, 4, 127, 4, 59, -4, 7, -6],
// CHECK: {{\[}}[73.0862,
func.func private @per_token() {
  %c5 = arith.constant 5 : index
  %c8 = arith.constant 8 : index
  %x = call @activation(%c5, %c8) : (index, index) -> tensor<?x?xf32>
  %c = arith.constant dense<[1.0, 0.5, 2.0, 1.0, 1.0, 3.0, 0.125, 1.0]> : tensor<8xf32>
  %d = tensor.cast %c : tensor<8xf32> to tensor<?xf32>
  %q, %s = ptq.dynamic_quantize %x channel_scales %d {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<?x?xf32>, tensor<?xf32>) -> (tensor<?x?xi8>, tensor<?xf32>)
  call @print8(%q) : (tensor<?x?xi8>) -> ()
  %w = arith.constant dense<[[1, -2, 3, -4, 5, -6, 7, -8], [127, 127, 127, 127, -128, -128, -128, -128], [0, 1, 0, 1, 0, 1, 0, 1]]> : tensor<3x8xi8>
  %ws = arith.constant dense<[[0.5], [0.01], [3.0]]> : tensor<3x1xf32>
  %b = arith.constant dense<[0.1, 0.2, 0.3]> : tensor<3xf32>
  %qs = tensor.cast %q : tensor<?x?xi8> to tensor<?x8xi8>
  %y = ptq.integer_linear %qs, %s, %w, %ws bias %b {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>,
       weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<?x8xi8>, tensor<?xf32>, tensor<3x8xi8>, tensor<3x1xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %u = tensor.cast %y : tensor<?x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// Asymmetric, three dimensions, a packed weight of 4 bits in groups, rounded to 16 bits and widened again.
func.func private @asymmetric_groups() {
  %c6 = arith.constant 6 : index
  %c16 = arith.constant 16 : index
  %d = call @activation(%c6, %c16) : (index, index) -> tensor<?x?xf32>
  %t = tensor.cast %d : tensor<?x?xf32> to tensor<6x16xf32>
  %x = tensor.expand_shape %t [[0, 1], [2]] output_shape [2, 3, 16] : tensor<6x16xf32> into tensor<2x3x16xf32>
  %q, %s, %z = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>}
     : (tensor<2x3x16xf32>) -> (tensor<2x3x16xi8>, tensor<2x3xf16>, tensor<2x3xi8>)
  %r = tensor.collapse_shape %q [[0, 1], [2]] : tensor<2x3x16xi8> into tensor<6x16xi8>
  %p = tensor.cast %r : tensor<6x16xi8> to tensor<?x?xi8>
  call @print8(%p) : (tensor<?x?xi8>) -> ()
  %w = arith.constant dense<[[1640443267, -380656373], [1661839169, -343593015]]> : tensor<2x2xi32>
  %ws = arith.constant dense<[[0.5, 2.0], [1.0, 0.25]]> : tensor<2x2xf32>
  %y = ptq.integer_linear %q, %s x_zero_points %z, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>,
       weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(8)>}
     : (tensor<2x3x16xi8>, tensor<2x3xf16>, tensor<2x3xi8>, tensor<2x2xi32>, tensor<2x2xf32>) -> tensor<2x3x2xf32>
  %u = tensor.cast %y : tensor<2x3x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// A vector, and one scale for a tensor: static and dynamic.
func.func private @per_tensor() {
  %v = arith.constant dense<[1.0, -2.5, 3.5, -4.75]> : tensor<4xf32>
  %s = arith.constant dense<0.037> : tensor<1xf32>
  %q = ptq.quantize %v, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xi8>
  %w = arith.constant dense<[[100, -100, 50, 25], [1, 2, 3, 4]]> : tensor<2x4xi8>
  %ws = arith.constant dense<0.01> : tensor<1x1xf32>
  %y = ptq.integer_linear %q, %s, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>,
       weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<4xi8>, tensor<1xf32>, tensor<2x4xi8>, tensor<1x1xf32>) -> tensor<2xf32>
  %u = tensor.cast %y : tensor<2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  %c4 = arith.constant 4 : index
  %x = call @activation(%c4, %c4) : (index, index) -> tensor<?x?xf32>
  %dq, %ds = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 6, symmetric, per_tensor, dynamic>}
     : (tensor<?x?xf32>) -> (tensor<?x?xi8>, tensor<1xf32>)
  call @print8(%dq) : (tensor<?x?xi8>) -> ()
  %us = tensor.cast %ds : tensor<1xf32> to tensor<*xf32>
  call @printMemrefF32(%us) : (tensor<*xf32>) -> ()
  return
}

// Batches of products, from a slice that is not dense.
func.func private @batch() {
  %c6 = arith.constant 6 : index
  %c9 = arith.constant 9 : index
  %d = call @activation(%c6, %c9) : (index, index) -> tensor<?x?xf32>
  %t = tensor.cast %d : tensor<?x?xf32> to tensor<6x9xf32>
  %x = tensor.expand_shape %t [[0, 1], [2]] output_shape [2, 3, 9] : tensor<6x9xf32> into tensor<2x3x9xf32>
  %a = tensor.extract_slice %x[0, 0, 1] [2, 2, 7] [1, 1, 1] : tensor<2x3x9xf32> to tensor<2x2x7xf32>
  %b = tensor.extract_slice %x[0, 0, 0] [2, 3, 7] [1, 1, 1] : tensor<2x3x9xf32> to tensor<2x3x7xf32>
  %qa, %sa = ptq.dynamic_quantize %a {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<2x2x7xf32>) -> (tensor<2x2x7xi8>, tensor<2x2xf32>)
  %qb, %sb = ptq.dynamic_quantize %b {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<2x3x7xf32>) -> (tensor<2x3x7xi8>, tensor<2x3xf32>)
  %y = ptq.integer_batch_matmul %qa, %sa, %qb, %sb : (tensor<2x2x7xi8>, tensor<2x2xf32>, tensor<2x3x7xi8>, tensor<2x3xf32>) -> tensor<2x2x3xf32>
  %u = tensor.cast %y : tensor<2x2x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// Float activations with small integers in them, whose sums are exact in any order: a packed weight, a scale.
func.func private @floats() {
  %x = arith.constant dense<[[1.0, 2.0, -3.0, 4.0, 0.0, 1.0, 2.0, -1.0]]> : tensor<1x8xf32>
  %c = arith.constant dense<[1.0, 2.0, 4.0, 0.5, 1.0, 1.0, 2.0, 1.0]> : tensor<8xf32>
  %z = ptq.scale_channels %x, %c : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
  %q = arith.constant dense<[[1640443267], [-380656373]]> : tensor<2x1xi32>
  %s = arith.constant dense<[[0.5, 2.0], [1.0, 0.25]]> : tensor<2x2xf32>
  %p = arith.constant dense<[[-3, 1], [0, 7]]> : tensor<2x2xi8>
  %g = arith.constant dense<[0, 1, 0, 0, 1, 0, 1, 1]> : tensor<8xi32>
  %b = arith.constant dense<[100.0, -100.0]> : tensor<2xf32>
  %y = ptq.weight_only_linear %z, %q, %s zero_points %p group_index %g bias %b {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>}
     : (tensor<1x8xf32>, tensor<2x1xi32>, tensor<2x2xf32>, tensor<2x2xi8>, tensor<8xi32>, tensor<2xf32>) -> tensor<1x2xf32>
  %u = tensor.cast %y : tensor<1x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  %w = arith.constant dense<[[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]]> : tensor<3x2xf16>
  %l = ptq.linear %y, %w : (tensor<1x2xf32>, tensor<3x2xf16>) -> tensor<1x3xf32>
  %v = tensor.cast %l : tensor<1x3xf32> to tensor<*xf32>
  call @printMemrefF32(%v) : (tensor<*xf32>) -> ()
  return
}

func.func @main() {
  call @per_token() : () -> ()
  call @asymmetric_groups() : () -> ()
  call @per_tensor() : () -> ()
  call @batch() : () -> ()
  call @floats() : () -> ()
  return
}
