// Leading dimensions: batches over which the weight is broadcast, of any size and dynamic.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --implicit-check-not=linalg.batch_matmul
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

#bmk = affine_map<(b, m, n, k) -> (b, m, k)>
#bkn = affine_map<(b, m, n, k) -> (b, k, n)>
#kn = affine_map<(b, m, n, k) -> (k, n)>
#bmn = affine_map<(b, m, n, k) -> (b, m, n)>

// torch-mlir: the weight is transposed, then copied for each batch.
// CHECK-LABEL: func.func @broadcast_weight
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
// CHECK-NEXT: return %[[Y]]
func.func @broadcast_weight(%x: tensor<2x4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"})
    -> tensor<2x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<2x4x16xf32>
  %et = tensor.empty() : tensor<8x16xf32>
  %eb = tensor.empty() : tensor<2x8x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) permutation = [1, 0]
  %b = linalg.generic {indexing_maps = [affine_map<(b, k, n) -> (k, n)>, affine_map<(b, k, n) -> (b, k, n)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%t : tensor<8x16xf32>) outs(%eb : tensor<2x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
  } -> tensor<2x8x16xf32>
  %y = linalg.batch_matmul ins(%x, %b : tensor<2x4x8xf32>, tensor<2x8x16xf32>) outs(%c : tensor<2x4x16xf32>) -> tensor<2x4x16xf32>
  return %y : tensor<2x4x16xf32>
}

// Upstream: the map broadcasts.
// CHECK-LABEL: func.func @broadcast_map
// CHECK: ptq.linear %arg0, %{{.*}} {layer = "fc"} : (tensor<2x4x8xf32>, tensor<16x8xf32>) -> tensor<2x4x16xf32>
func.func @broadcast_map(%x: tensor<2x4x8xf32> {ptq.input = "x"}, %w: tensor<8x16xf32> {ptq.parameter = "fc.weight"})
    -> tensor<2x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<2x4x16xf32>
  %y = linalg.batch_matmul indexing_maps = [#bmk, #kn, #bmn] ins(%x, %w : tensor<2x4x8xf32>, tensor<8x16xf32>)
    outs(%c : tensor<2x4x16xf32>) -> tensor<2x4x16xf32>
  return %y : tensor<2x4x16xf32>
}

// TOSA: weight and activation are expanded to a batch of one, and the bias has a map with a 0.
// CHECK-LABEL: func.func @tosa
// CHECK: ptq.linear %{{.*}}, %arg1 bias %arg2 {layer = "fc"} : (tensor<1x4x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<1x4x16xf32>
// CHECK-NEXT: return
func.func @tosa(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<1x4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<1x4x16xf32>
  %e = tensor.empty() : tensor<1x4x16xf32>
  %et = tensor.empty() : tensor<8x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) permutation = [1, 0]
  %tw = tensor.expand_shape %t [[0, 1], [2]] output_shape [1, 8, 16] : tensor<8x16xf32> into tensor<1x8x16xf32>
  %tx = tensor.expand_shape %x [[0, 1], [2]] output_shape [1, 4, 8] : tensor<4x8xf32> into tensor<1x4x8xf32>
  %tb = tensor.expand_shape %b [[0, 1, 2]] output_shape [1, 1, 16] : tensor<16xf32> into tensor<1x1x16xf32>
  %y = linalg.batch_matmul ins(%tx, %tw : tensor<1x4x8xf32>, tensor<1x8x16xf32>) outs(%c : tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, 0, c)>, affine_map<(a, b, c) -> (a, b, c)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%y, %tb : tensor<1x4x16xf32>, tensor<1x1x16xf32>) outs(%e : tensor<1x4x16xf32>) {
    ^bb0(%u: f32, %v: f32, %o: f32):
      %s = arith.addf %u, %v : f32
      linalg.yield %s : f32
  } -> tensor<1x4x16xf32>
  return %r : tensor<1x4x16xf32>
}

// Decode: one token; its copy for each batch stays what it is, the weight's goes.
// CHECK-LABEL: func.func @decode
// CHECK: ptq.linear %{{.*}}, %arg1 {layer = "fc"} : (tensor<1x1x8xf32>, tensor<16x8xf32>) -> tensor<1x1x16xf32>
func.func @decode(%x: tensor<1x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<1x1x16xf32> {
  %c = arith.constant dense<0.0> : tensor<1x1x16xf32>
  %et = tensor.empty() : tensor<8x16xf32>
  %eb = tensor.empty() : tensor<1x8x16xf32>
  %ex = tensor.empty() : tensor<1x1x8xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) permutation = [1, 0]
  %b = linalg.generic {indexing_maps = [affine_map<(b, k, n) -> (k, n)>, affine_map<(b, k, n) -> (b, k, n)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%t : tensor<8x16xf32>) outs(%eb : tensor<1x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
  } -> tensor<1x8x16xf32>
  %v = linalg.generic {indexing_maps = [affine_map<(b, m, k) -> (b, k)>, affine_map<(b, m, k) -> (b, m, k)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%x : tensor<1x8xf32>) outs(%ex : tensor<1x1x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
  } -> tensor<1x1x8xf32>
  %y = linalg.batch_matmul ins(%v, %b : tensor<1x1x8xf32>, tensor<1x8x16xf32>) outs(%c : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  return %y : tensor<1x1x16xf32>
}

// A dynamic sequence: the number of rows is the activation's.
// CHECK-LABEL: func.func @dynamic
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
// CHECK-NEXT: return %[[Y]]
func.func @dynamic(%x: tensor<?x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<?x16xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x8xf32>
  %et = tensor.empty() : tensor<8x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) permutation = [1, 0]
  %e = tensor.empty(%d) : tensor<?x16xf32>
  %c = linalg.fill ins(%zero : f32) outs(%e : tensor<?x16xf32>) -> tensor<?x16xf32>
  %y = linalg.matmul ins(%x, %t : tensor<?x8xf32>, tensor<8x16xf32>) outs(%c : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// Several dynamic dimensions: a generic whose reduction is not the last loop.
// CHECK-LABEL: func.func @dynamic_batches
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<?x?x8xf32>, tensor<16x8xf32>) -> tensor<?x?x16xf32>
// CHECK-NEXT: return %[[Y]]
func.func @dynamic_batches(%x: tensor<?x?x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<?x?x16xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d0 = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %d1 = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %e = tensor.empty(%d0, %d1) : tensor<?x?x16xf32>
  %c = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, m, k, n) -> (a, m, k)>, affine_map<(a, m, k, n) -> (n, k)>, affine_map<(a, m, k, n) -> (a, m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction", "parallel"]}
    ins(%x, %w : tensor<?x?x8xf32>, tensor<16x8xf32>) outs(%c : tensor<?x?x16xf32>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %s, %p : f32
      linalg.yield %q : f32
  } -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}
