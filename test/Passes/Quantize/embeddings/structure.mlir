// What is read of a rounded embedding table: integers, in bytes or unpacked from words, and a scale for each row.
//
// RUN: quant-opt %s --rtn="embeddings=8" | FileCheck %s --check-prefix=BYTES
// RUN: quant-opt %s --rtn="embeddings=4" | FileCheck %s --check-prefix=WORDS
// RUN: quant-opt %s --rtn="embeddings=8 fake=true" | FileCheck %s --check-prefix=FAKE
// RUN: quant-opt %s --rtn | FileCheck %s --check-prefix=NONE
// RUN: quant-opt %s --rtn="embeddings=4" --verify-roundtrip -o /dev/null
// Rounded tables are left as they are by the next pass.
// RUN: quant-opt %s --rtn="embeddings=4" --rtn="embeddings=8" 2>&1 | FileCheck %s --check-prefix=WORDS
//
// The first row's absmax is 12.7: in 8 bits its scale is 0.1, and 0.25 rounds half to even. In 4 bits the second
// row's is 2·7.5/15 = 1.

// BYTES-LABEL: func.func @main
// BYTES-SAME: (%[[IDS:.*]]: tensor<1x?xi64>
// BYTES-NOT: dense<{{.*}}12.7
// BYTES-DAG: %[[Q:.*]] = arith.constant {ptq.key = "wte.weight"} dense_resource<wte.weight> : tensor<2x10xi8>
// BYTES-DAG: %[[S:.*]] = arith.constant {ptq.key = "wte.weight_scale"} dense_resource<wte.weight_scale> : tensor<2xf32>
// BYTES: %[[CODES:.*]] = linalg.generic {{.*}} ins(%[[IDS]] : tensor<1x?xi64>) outs(%{{.*}} : tensor<1x?x10xi8>)
// BYTES: cf.assert
// BYTES: tensor.extract %[[Q]]
// BYTES: %[[SCALES:.*]] = linalg.generic {{.*}} ins(%[[IDS]] : tensor<1x?xi64>) outs(%{{.*}} : tensor<1x?xf32>)
// BYTES: cf.assert
// BYTES: tensor.extract %[[S]]
// BYTES: %[[X:.*]] = ptq.dequantize %[[CODES]], %[[SCALES]] {ptq.embedding = {error = {{.*}}, name = "wte", shape = [2, 10]}, scheme = #ptq.scheme<bits = 8, symmetric, per_token>} : (tensor<1x?x10xi8>, tensor<1x?xf32>) -> tensor<1x?x10xf32>
// BYTES-NOT: tensor.extract
// BYTES: math.tanh %[[X]]
// BYTES-DAG: wte.weight: "0x010000000A148102{{.*}}"
// BYTES-DAG: wte.weight_scale: "0x04000000CDCCCC3DC8E3713D"

// WORDS-LABEL: func.func @main
// WORDS-NOT: dense<{{.*}}12.7
// WORDS: %[[Q:.*]] = arith.constant {ptq.key = "wte.weight_packed"} dense_resource<wte.weight_packed> : tensor<2x2xi32>
// WORDS: %[[CODES:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x?x10xi8>)
// WORDS: arith.divui
// WORDS: arith.remui
// WORDS: %[[W:.*]] = tensor.extract %[[Q]]
// WORDS: arith.shrui %[[W]]
// WORDS: ptq.dequantize %[[CODES]], {{.*}} #ptq.scheme<bits = 4, symmetric, per_token>
// The second row rounds to 1, 2, 3, 4, 7, -8, 3, 4, 5, 6: plus 8, least significant bits first.
// WORDS-DAG: wte.weight_packed: "0x04000000{{[0-9A-F]+}}A9CB0FCBED000000"

// FAKE: %[[T:.*]] = arith.constant {ptq.key = "wte.weight"} dense<{{.*}}> : tensor<2x10xf32>
// FAKE: %[[QT:.*]] = ptq.quantize %[[T]], %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_token>} : (tensor<2x10xf32>, tensor<2xf32>) -> tensor<2x10xi8>
// FAKE: %[[D:.*]] = ptq.dequantize %[[QT]]
// FAKE: tensor.extract %[[D]]

// NONE-NOT: ptq.dequantize
// NONE: tensor.extract
func.func @main(%ids: tensor<1x?xi64> {ptq.input = "ids"}) -> tensor<1x?x2xf32> {
  %t = arith.constant {ptq.key = "wte.weight"} dense<[[1.0, 2.0, -12.7, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                                                      [1.0, 2.0, 3.0, 4.0, 7.5, -7.5, 3.0, 4.0, 5.0, 6.0]]> : tensor<2x10xf32>
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.5],
                                                     [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.5]]> : tensor<2x10xf32>
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %ids, %c1 : tensor<1x?xi64>
  %e = tensor.empty(%n) : tensor<1x?x10xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b)>, affine_map<(a, b, c) -> (a, b, c)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%ids : tensor<1x?xi64>) outs(%e : tensor<1x?x10xf32>) {
    ^bb0(%in: i64, %out: f32):
      %i = arith.index_cast %in : i64 to index
      %j = linalg.index 2 : index
      %ok = arith.cmpi slt, %i, %c2 : index
      cf.assert %ok, "index must be smaller than dim size"
      %v = tensor.extract %t[%i, %j] : tensor<2x10xf32>
      linalg.yield %v : f32
  } -> tensor<1x?x10xf32>
  %a = math.tanh %r : tensor<1x?x10xf32>
  %y = ptq.linear %a, %w {layer = "head"} : (tensor<1x?x10xf32>, tensor<2x10xf32>) -> tensor<1x?x2xf32>
  return %y : tensor<1x?x2xf32>
}
