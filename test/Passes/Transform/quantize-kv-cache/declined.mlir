// Caches that stay in float, and why; options that are wrong.
//
// RUN: quant-opt %s --quantize-kv-cache --verify-diagnostics | FileCheck %s
// RUN: not quant-opt %s --quantize-kv-cache="inputs=nothing" -o %t 2>&1 | FileCheck %s --check-prefix=NOMATCH
// RUN: not quant-opt %s --quantize-kv-cache="inputs=[" -o %t 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not quant-opt %s --quantize-kv-cache="function=other" -o %t 2>&1 | FileCheck %s --check-prefix=FUNCTION
// RUN: not quant-opt %s --quantize-kv-cache="function=called" -o %t 2>&1 | FileCheck %s --check-prefix=CALLED
// NOMATCH: error: quantize-kv-cache: inputs='nothing' matches no input's name
// REGEX: error: quantize-kv-cache: inputs='[' is no regular expression
// FUNCTION: error: quantize-kv-cache: there is no function @other with a body; the module has @main, @called, @caller: name one with function=
// CALLED: error: quantize-kv-cache: function @called is called in the module; its type cannot change

// CHECK: func.func @main(%arg0: tensor<1x2x3x4xf32> {ptq.input = "read"}
// CHECK-NOT: i8
func.func @main(
    // expected-remark @+1 {{KV cache 'read' left in float: it is read by 'math.exp' too}}
    %read: tensor<1x2x3x4xf32> {ptq.input = "read"},
    // expected-remark @+1 {{KV cache 'columns' left in float: it grows along its last dimension, the rows of which share a scale}}
    %columns: tensor<1x2x3x4xf32> {ptq.input = "columns"},
    // expected-remark @+1 {{KV cache 'flat' left in float: it is returned in another shape, by 'tensor.collapse_shape'}}
    %flat: tensor<1x2x3x4xf32> {ptq.input = "flat"},
    // expected-remark @+1 {{KV cache 'parts' left in float: rows of its last dimension, which share a scale, are written in parts}}
    %parts: tensor<1x2x3x4xf32> {ptq.input = "parts"},
    // expected-remark @+1 {{KV cache 'mixed' left in float: it is written into a tensor that is computed}}
    %mixed: tensor<1x2x3x4xf32> {ptq.input = "mixed"},
    %x: tensor<1x2x1x4xf32> {ptq.input = "x"}, %p: tensor<1x2x3x4xf32> {ptq.parameter = "p"})
    -> (tensor<1x2x4x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x5xf32>, tensor<2x4x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %new = math.tanh %x : tensor<1x2x1x4xf32>
  %0 = tensor.concat dim(2) %read, %new : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = math.exp %read : tensor<1x2x3x4xf32>
  %column = tensor.extract_slice %1[0, 0, 0, 0] [1, 2, 3, 1] [1, 1, 1, 1] : tensor<1x2x3x4xf32> to tensor<1x2x3x1xf32>
  %2 = tensor.concat dim(3) %columns, %column : (tensor<1x2x3x4xf32>, tensor<1x2x3x1xf32>) -> tensor<1x2x3x5xf32>
  %3 = tensor.concat dim(2) %flat, %new : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  %4 = tensor.collapse_shape %3 [[0, 1], [2], [3]] : tensor<1x2x4x4xf32> into tensor<2x4x4xf32>
  %half = tensor.extract_slice %new[0, 0, 0, 0] [1, 2, 1, 2] [1, 1, 1, 1] : tensor<1x2x1x4xf32> to tensor<1x2x1x2xf32>
  %5 = tensor.insert_slice %half into %parts[0, 0, 0, 2] [1, 2, 1, 2] [1, 1, 1, 1] : tensor<1x2x1x2xf32> into tensor<1x2x3x4xf32>
  %base = math.exp %0 : tensor<1x2x4x4xf32>
  %6 = tensor.insert_slice %mixed into %base[0, 0, 0, 0] [1, 2, 3, 4] [1, 1, 1, 1] : tensor<1x2x3x4xf32> into tensor<1x2x4x4xf32>
  %7 = tensor.insert_slice %new into %6[0, 0, 3, 0] [1, 2, 1, 4] [1, 1, 1, 1] : tensor<1x2x1x4xf32> into tensor<1x2x4x4xf32>
  // A parameter that a value extends is no cache.
  %8 = tensor.concat dim(2) %p, %new : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  return %0, %1, %2, %4, %5, %7, %8 : tensor<1x2x4x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x5xf32>, tensor<2x4x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

func.func @called(%cache: tensor<1x2x3x4xf32>, %x: tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32> {
  %new = math.tanh %x : tensor<1x2x1x4xf32>
  %k = tensor.concat dim(2) %cache, %new : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  return %k : tensor<1x2x4x4xf32>
}

func.func @caller(%cache: tensor<1x2x3x4xf32>, %x: tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32> {
  %0 = func.call @called(%cache, %x) : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  return %0 : tensor<1x2x4x4xf32>
}
