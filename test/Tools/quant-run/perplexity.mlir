// Perplexity of a model that gives the next token of the alphabet a logit of log 3 and the 3 others 0: a probability of
// one half where the text follows the alphabet, one sixth where it does not.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/follows.safetensors ids:I64:3=0
// RUN: quant-run %s --inputs=%t/follows.safetensors --perplexity=ids --json=%t/p.json | FileCheck %s
// RUN: FileCheck %s --check-prefix=JSON < %t/p.json
// RUN: %make_safetensors write %t/stays.safetensors ids:I64:2x3=1,0
// RUN: quant-run %s --inputs=%t/stays.safetensors --perplexity=ids | FileCheck %s --check-prefix=STAYS
// RUN: %make_safetensors write %t/outside.safetensors ids:I64:3=2
// RUN: not quant-run %s --inputs=%t/outside.safetensors --perplexity=ids 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not quant-run %s --inputs=%t/stays.safetensors --perplexity=words 2>&1 | FileCheck %s --check-prefix=WORDS

// CHECK: perplexity 2.0000 over 2 tokens
// JSON: "perplexity": {{2|1.99999|2.0000}}
// STAYS: perplexity 6.0000 over 4 tokens
// OUTSIDE: quant-run: error: token id 4 at position 2 is outside the vocabulary of 4
// WORDS: quant-run: error: the model has no input 'words' for --perplexity
func.func @main(%ids: tensor<3xi64> {ptq.input = "ids"}) -> tensor<3x4xf32> {
  %one = arith.constant 1 : i64
  %high = arith.constant 1.0986122886681098 : f32
  %low = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x4xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%ids : tensor<3xi64>) outs(%e : tensor<3x4xf32>) {
  ^bb0(%id: i64, %o: f32):
    %j = linalg.index 1 : index
    %token = arith.index_cast %j : index to i64
    %next = arith.addi %id, %one : i64
    %is = arith.cmpi eq, %token, %next : i64
    %logit = arith.select %is, %high, %low : f32
    linalg.yield %logit : f32
  } -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}
