// What is a KV cache, in the forms that frontends write, and what it becomes.
//
// RUN: quant-opt %s --quantize-kv-cache="function=concat" 2>/dev/null | FileCheck %s --check-prefix=CONCAT
// RUN: quant-opt %s --quantize-kv-cache="function=static" 2>/dev/null | FileCheck %s --check-prefix=STATIC
// RUN: quant-opt %s --quantize-kv-cache="function=old_concat" 2>/dev/null | FileCheck %s --check-prefix=OLD
// RUN: quant-opt %s --quantize-kv-cache="function=added" 2>/dev/null | FileCheck %s --check-prefix=ADDED
// RUN: quant-opt %s --quantize-kv-cache="function=none" -o %t.none.mlir 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: quant-opt %s --quantize-kv-cache="function=old_concat" --verify-roundtrip -o /dev/null 2>/dev/null
// RUN: quant-opt %forms/kv_cache_concat.mlir --quantize-kv-cache 2>/dev/null | FileCheck %s --check-prefix=FORM1
// RUN: quant-opt %forms/kv_cache_insert_slice.mlir --quantize-kv-cache 2>/dev/null | FileCheck %s --check-prefix=FORM2
// Each computes what it did, but for the rounding.
// RUN: %make_safetensors write %t.in cache:F32:1x2x3x4=-1.5,0.37 arg1:F32:1x2x1x4=0.3,-0.21 at:I64:1=1
// RUN: quant-run %s --function=concat --inputs=%t.in --outputs=%t.float.safetensors
// RUN: %python %S/Inputs/decode.py pick %t.double.safetensors %t.float.safetensors double
// RUN: quant-opt %s --quantize-kv-cache="function=concat" -o %t.concat.mlir 2>/dev/null
// RUN: quant-run %t.concat.mlir --function=concat --inputs=%t.in --outputs=%t.codes --reference=%t.double.safetensors | FileCheck %s --check-prefix=CLOSE
// RUN: %make_safetensors show %t.codes cache_scale | FileCheck %s --check-prefix=FILE
// Several samples, each with its own cache.
// RUN: %make_safetensors write %t.two cache:F32:2x1x2x3x4=-1.5,0.37 arg1:F32:2x1x2x1x4=0.3,-0.21
// RUN: quant-run %s --function=concat --inputs=%t.two --outputs=%t.float.safetensors
// RUN: %python %S/Inputs/decode.py pick %t.double.safetensors %t.float.safetensors double
// RUN: quant-run %t.concat.mlir --function=concat --inputs=%t.two --reference=%t.double.safetensors | FileCheck %s --check-prefix=CLOSE
// CLOSE: double {{ *(4[0-9]|5[0-9])\.}}
// The greatest of a row is 127 times its scale: 1.5 / 127 first.
// FILE: cache_scale F32 [1, 2, 4] 0.011811 {{.*}}
// RUN: quant-run %s --function=static --inputs=%t.in --outputs=%t.float.safetensors
// RUN: %python %S/Inputs/decode.py pick %t.double.safetensors %t.float.safetensors double
// RUN: quant-opt %s --quantize-kv-cache="function=static" -o %t.static.mlir 2>/dev/null
// RUN: quant-run %t.static.mlir --function=static --inputs=%t.in --reference=%t.double.safetensors | FileCheck %s --check-prefix=CLOSE
// RUN: quant-run %s --function=old_concat --inputs=%t.in --outputs=%t.float.safetensors
// RUN: %python %S/Inputs/decode.py pick %t.double.safetensors %t.float.safetensors double
// RUN: quant-opt %s --quantize-kv-cache="function=old_concat" -o %t.old.mlir 2>/dev/null
// RUN: quant-run %t.old.mlir --function=old_concat --inputs=%t.in --reference=%t.double.safetensors | FileCheck %s --check-prefix=CLOSE

// What is added is an input too; it stays float.
// FORM1: func.func @main(%arg0: tensor<1x2x?x16xi8> {{.*}}, %arg1: tensor<1x2x?xf32> {ptq.input = "arg0_scale"}, %arg2: tensor<1x2x1x16xf32> {ptq.input = "arg1"}) -> (tensor<1x2x?x16xi8> {ptq.output = "arg0"}, tensor<1x2x?xf32> {ptq.output = "arg0_scale"}) {
// FORM1-NEXT: ptq.dynamic_quantize %arg2
// FORM1-NEXT: tensor.concat dim(2) %arg0
// FORM1-NEXT: tensor.concat dim(2) %arg1
// FORM1-NEXT: return
// FORM2: func.func @main(%arg0: tensor<1x2x32x16xi8> {{.*}}, %arg1: tensor<1x2x32xf32> {{.*}}, %arg2: tensor<1x2x1x16xf32> {{.*}}, %arg3: tensor<1xi64> {{.*}}) -> (tensor<1x2x32x16xi8> {{.*}}, tensor<1x2x32xf32> {{.*}}) {
// FORM2: tensor.insert_slice %{{.*}} into %arg0[0, 0, %{{.*}}, 0]
// FORM2-NEXT: tensor.insert_slice %{{.*}} into %arg1[0, 0, %{{.*}}]
// FORM2-NEXT: return

// Dynamic length, under casts. The argument without a name keeps what it was called, and the cache's name is its result's.
// CONCAT-LABEL: func.func @concat
// CONCAT-SAME: (%[[C:.*]]: tensor<1x2x3x4xi8> {ptq.input = "cache", ptq.quantized = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}, %[[S:.*]]: tensor<1x2x3xf32> {ptq.input = "cache_scale"}, %[[N:.*]]: tensor<1x2x1x4xf32> {ptq.input = "arg1"})
// CONCAT-SAME: -> (tensor<1x2x?x4xi8> {ptq.output = "cache"}, tensor<1x2x?xf32> {ptq.output = "cache_scale"}, tensor<1x2x?x4xf32> {ptq.output = "double"})
// CONCAT: %[[CD:[^ ]*]] = tensor.cast %[[C]] : tensor<1x2x3x4xi8> to tensor<1x2x?x4xi8>
// CONCAT: %[[SD:[^ ]*]] = tensor.cast %[[S]] : tensor<1x2x3xf32> to tensor<1x2x?xf32>
// CONCAT: %[[QN:[^ ]*]], %[[SN:[^ ]*]] = ptq.dynamic_quantize %{{.*}} : (tensor<1x2x1x4xf32>) -> (tensor<1x2x1x4xi8>, tensor<1x2x1xf32>)
// CONCAT: %[[CODES:.*]] = tensor.concat dim(2) %[[CD]], %[[QN]]
// CONCAT: %[[SCALES:.*]] = tensor.concat dim(2) %[[SD]], %[[SN]]
// CONCAT: %[[K:.*]] = ptq.dequantize %[[CODES]], %[[SCALES]] {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<1x2x?x4xi8>, tensor<1x2x?xf32>) -> tensor<1x2x?x4xf32>
// CONCAT: return %[[CODES]], %[[SCALES]],
func.func @concat(%cache: tensor<1x2x3x4xf32> {ptq.input = "cache"}, %x: tensor<1x2x1x4xf32>)
    -> (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32> {ptq.output = "double"}) {
  %new = math.tanh %x : tensor<1x2x1x4xf32>
  %any = tensor.cast %cache : tensor<1x2x3x4xf32> to tensor<1x2x?x4xf32>
  %k = tensor.concat dim(2) %any, %new : (tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x?x4xf32>
  %d = arith.addf %k, %k : tensor<1x2x?x4xf32>
  return %k, %d : tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>
}

// A row of a cache of fixed length, at a position that comes with the data; the row has a dimension less.
// STATIC-LABEL: func.func @static
// STATIC: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize %{{.*}} : (tensor<2x4xf32>) -> (tensor<2x4xi8>, tensor<2xf32>)
// STATIC: %[[CODES:.*]] = tensor.insert_slice %[[Q]] into %arg0[0, 0, %[[AT:.*]], 0] [1, 2, 1, 4] [1, 1, 1, 1] : tensor<2x4xi8> into tensor<1x2x3x4xi8>
// STATIC: %[[SCALES:.*]] = tensor.insert_slice %[[S]] into %arg1[0, 0, %[[AT]]] [1, 2, 1] [1, 1, 1] : tensor<2xf32> into tensor<1x2x3xf32>
// STATIC: ptq.dequantize %[[CODES]], %[[SCALES]]
func.func @static(%cache: tensor<1x2x3x4xf32> {ptq.input = "cache"}, %x: tensor<1x2x1x4xf32>, %at: tensor<1xi64> {ptq.input = "at"})
    -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> {ptq.output = "double"}) {
  %c0 = arith.constant 0 : index
  %y = math.tanh %x : tensor<1x2x1x4xf32>
  %new = tensor.collapse_shape %y [[0, 1, 2], [3]] : tensor<1x2x1x4xf32> into tensor<2x4xf32>
  %extracted = tensor.extract %at[%c0] : tensor<1xi64>
  %i = arith.index_cast %extracted : i64 to index
  %k = tensor.insert_slice %new into %cache[0, 0, %i, 0] [1, 2, 1, 4] [1, 1, 1, 1] : tensor<2x4xf32> into tensor<1x2x3x4xf32>
  %d = arith.addf %k, %k : tensor<1x2x3x4xf32>
  return %k, %d : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
}

// Both put into an empty tensor.
// OLD-LABEL: func.func @old_concat
// OLD: linalg.fill {{.*}} -> tensor<1x2x4x4xi8>
// OLD: linalg.fill {{.*}} -> tensor<1x2x4xf32>
// OLD: tensor.insert_slice %arg0 into %{{.*}} : tensor<1x2x3x4xi8> into tensor<1x2x4x4xi8>
// OLD: tensor.insert_slice %arg1 into %{{.*}} : tensor<1x2x3xf32> into tensor<1x2x4xf32>
// OLD-NOT: tensor.insert_slice {{.*}}x4xf32> into tensor<1x2x4x4xf32>
// OLD: ptq.dequantize
func.func @old_concat(%cache: tensor<1x2x3x4xf32> {ptq.input = "cache"}, %x: tensor<1x2x1x4xf32>)
    -> (tensor<1x2x4x4xf32> {ptq.output = "next"}, tensor<1x2x4x4xf32> {ptq.output = "double"}) {
  %new = math.tanh %x : tensor<1x2x1x4xf32>
  %e = tensor.empty() : tensor<1x2x4x4xf32>
  %0 = tensor.insert_slice %cache into %e[0, 0, 0, 0] [1, 2, 3, 4] [1, 1, 1, 1] : tensor<1x2x3x4xf32> into tensor<1x2x4x4xf32>
  %k = tensor.insert_slice %new into %0[0, 0, 3, 0] [1, 2, 1, 4] [1, 1, 1, 1] : tensor<1x2x1x4xf32> into tensor<1x2x4x4xf32>
  %d = arith.addf %k, %k : tensor<1x2x4x4xf32>
  return %k, %d : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// What was added is returned alone, the extension only multiplied: scores of a decoder, 16 bits.
// ADDED-LABEL: func.func @added
// ADDED-SAME: -> (tensor<2x1x4xf16>
// ADDED-SAME: tensor<2x1x4xi8> {ptq.output = "new"}, tensor<2x1xf32> {ptq.output = "new_scale"})
// ADDED: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize
// ADDED: return %{{.*}}, %[[Q]], %[[S]]
func.func @added(%cache: tensor<2x3x4xf16> {ptq.input = "cache"}, %x: tensor<2x1x4xf16>) -> (tensor<2x1x4xf16>, tensor<2x1x4xf16> {ptq.output = "new"}) {
  %zero = arith.constant 0.0 : f16
  %new = math.tanh %x : tensor<2x1x4xf16>
  %k = tensor.concat dim(1) %cache, %new : (tensor<2x3x4xf16>, tensor<2x1x4xf16>) -> tensor<2x4x4xf16>
  %e = tensor.empty() : tensor<2x4x4xf16>
  %t = linalg.transpose ins(%k : tensor<2x4x4xf16>) outs(%e : tensor<2x4x4xf16>) permutation = [0, 2, 1]
  %e1 = tensor.empty() : tensor<2x1x4xf16>
  %f = linalg.fill ins(%zero : f16) outs(%e1 : tensor<2x1x4xf16>) -> tensor<2x1x4xf16>
  %s = linalg.batch_matmul ins(%x, %t : tensor<2x1x4xf16>, tensor<2x4x4xf16>) outs(%f : tensor<2x1x4xf16>) -> tensor<2x1x4xf16>
  return %s, %new : tensor<2x1x4xf16>, tensor<2x1x4xf16>
}

// A prefix put before embeddings is no cache.
// NONE: remark: function @none has no KV cache to quantize
func.func @none(%prefix: tensor<1x3x4xf32>, %x: tensor<1x1x4xf32>) -> tensor<1x4x4xf32> {
  %new = math.tanh %x : tensor<1x1x4xf32>
  %k = tensor.concat dim(1) %prefix, %new : (tensor<1x3x4xf32>, tensor<1x1x4xf32>) -> tensor<1x4x4xf32>
  %y = math.exp %k : tensor<1x4x4xf32>
  return %y : tensor<1x4x4xf32>
}
