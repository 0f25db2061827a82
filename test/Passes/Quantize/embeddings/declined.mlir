// Tables that stay in float, and why; a table that a head reads as well.
//
// RUN: quant-opt %s --rtn="embeddings=8" --verify-diagnostics | FileCheck %s
// RUN: not quant-opt %s --rtn="embeddings=5" -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: quant-opt %s --rtn="embeddings=8 only=tied bits=4 group-size=2" -o %t.mlir 2>/dev/null
// RUN: FileCheck %s --check-prefix=HEAD < %t.mlir
// BITS: error: rtn: embeddings is 8, 4, or 0 for none, not 5
//
// With the head rounded nothing reads the float table.
// HEAD-NOT: arith.constant {{.*}}tensor<3x4xf32>
// HEAD: ptq.weight_only_linear {{.*}}layer = "tied"

// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: ptq.embedding
// CHECK-NOT: ptq.embedding
#row = affine_map<(i, k) -> (i)>
#both = affine_map<(i, k) -> (i, k)>
#cube = affine_map<(i, j, k) -> (i)>
#all = affine_map<(i, j, k) -> (i, j, k)>
func.func @main(%ids: tensor<3xi64> {ptq.input = "ids"}, %x: tensor<3x4xf32> {ptq.input = "x"})
    -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x2x4xf32>, tensor<3x3xf32>, tensor<3x4xf32>, tensor<3x3xf32>) {
  %tied = arith.constant {ptq.key = "tied.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [1.0, 0.5, 0.25, 0.75]]> : tensor<3x4xf32>
  %cube = arith.constant {ptq.key = "cube.weight"} dense<[[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]], [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 7.0]]]> : tensor<2x2x4xf32>
  %points = arith.constant {ptq.key = "points.weight"} dense<[[1.0, 2.0, 3.0], [4.0, 3.0, 2.0]]> : tensor<2x3xf32>
  %shifted = arith.constant {ptq.key = "shifted.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]> : tensor<2x4xf32>
  %e = tensor.empty() : tensor<3x4xf32>
  // expected-remark @+1 {{embedding table 'tied' stays in float too, as layer 'tied' reads it: the model grows by 24 bytes; with that layer rounded too (only=…) the float table goes}}
  %0 = linalg.generic {indexing_maps = [#row, #both], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %k = linalg.index 1 : index
      %v = tensor.extract %tied[%i, %k] : tensor<3x4xf32>
      linalg.yield %v : f32
  } -> tensor<3x4xf32>
  %computed = math.exp %x : tensor<3x4xf32>
  // expected-remark @+1 {{embedding table left in float: it is computed, not stored}}
  %1 = linalg.generic {indexing_maps = [#row, #both], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %k = linalg.index 1 : index
      %v = tensor.extract %computed[%i, %k] : tensor<3x4xf32>
      linalg.yield %v : f32
  } -> tensor<3x4xf32>
  %e2 = tensor.empty() : tensor<3x2x4xf32>
  // expected-remark @+1 {{embedding table 'cube' left in float: it has 3 dimensions, and only rows of a matrix are rounded}}
  %2 = linalg.generic {indexing_maps = [#cube, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e2 : tensor<3x2x4xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %j = linalg.index 1 : index
      %k = linalg.index 2 : index
      %v = tensor.extract %cube[%i, %j, %k] : tensor<2x2x4xf32>
      linalg.yield %v : f32
  } -> tensor<3x2x4xf32>
  %e3 = tensor.empty() : tensor<3x3xf32>
  // expected-remark @+1 {{embedding table 'points' left in float: single elements of it are read, not rows}}
  %3 = linalg.generic {indexing_maps = [#row, #both], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e3 : tensor<3x3xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %v = tensor.extract %points[%i, %i] : tensor<2x3xf32>
      linalg.yield %v : f32
  } -> tensor<3x3xf32>
  // expected-remark @+1 {{embedding table 'shifted' left in float: its rows are not read as they are}}
  %4 = linalg.generic {indexing_maps = [#row, #both], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %j = linalg.index 0 : index
      %k = linalg.index 1 : index
      %jk = arith.muli %j, %k : index
      %v = tensor.extract %shifted[%i, %jk] : tensor<2x4xf32>
      linalg.yield %v : f32
  } -> tensor<3x4xf32>
  %5 = ptq.linear %0, %tied {layer = "tied"} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x2x4xf32>, tensor<3x3xf32>, tensor<3x4xf32>, tensor<3x3xf32>
}
