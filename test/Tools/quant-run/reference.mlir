// Outputs against another model's, and against tensors in a file.
//
// RUN: rm -rf %t && split-file %s %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x2x2=1
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/half.mlir --json=%t/r.json | FileCheck %s --check-prefix=HALF
// RUN: FileCheck %s --check-prefix=JSON < %t/r.json
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/model.mlir --json=%t/same.json | FileCheck %s --check-prefix=SAME
// RUN: FileCheck %s --check-prefix=EQUAL < %t/same.json
//
// A file with the outputs, and one with their last position only.
// RUN: %make_safetensors write %t/whole.safetensors output:F32:2x2x2=2,2
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/whole.safetensors | FileCheck %s --check-prefix=SAME
// As many of them as are run.
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --max-samples=1 --outputs=%t/one.safetensors
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --max-samples=1 --reference=%t/one.safetensors | FileCheck %s --check-prefix=SAME
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --max-samples=1 --reference=%t/whole.safetensors | FileCheck %s --check-prefix=SAME
// RUN: not quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/one.safetensors 2>&1 | FileCheck %s --check-prefix=FEWER
// RUN: %make_safetensors write %t/last.safetensors output.last:F32:2x2=6,2
// RUN: quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/last.safetensors | FileCheck %s --check-prefix=LAST
// RUN: %make_safetensors write %t/other.safetensors y:F32:2x2x2
// RUN: not quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/other.safetensors 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: %make_safetensors write %t/shape.safetensors output:F32:2x2x3
// RUN: not quant-run %t/model.mlir --inputs=%t/x.safetensors --reference=%t/shape.safetensors 2>&1 | FileCheck %s --check-prefix=SHAPE
//
// y = 2x against x: the error is as large as the reference.
// HALF: output {{ *}}0.00 {{ *}}1.00000000 {{ *}}8 {{ *}}1
// JSON: "outputs"
// JSON: "cosine": 1
// JSON: "max_abs_error": 8
// JSON: "relative_max_error": 1
// JSON: "sqnr_db": 0
// JSON: "samples": 2
// JSON: "seconds":
// SAME: output {{ *}}inf {{ *}}1.00000000 {{ *}}0 {{ *}}0
// EQUAL: "sqnr_db": 1000
// The last positions are (6, 8) and (14, 16), the file says (6, 8) and (10, 12).
// LAST: output {{.*}} 4 {{ *}}0.3333
// OTHER: quant-run: error: the reference file has no tensor for any output: output
// SHAPE: quant-run: error: 'output': the output is tensor<2x2xf32>, its reference tensor<2x2x3xf32>
// FEWER: quant-run: error: 'output': the output is tensor<2x2xf32>, its reference tensor<1x2x2xf32>

//--- model.mlir
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}) -> tensor<2x2xf32> {
  %0 = arith.addf %x, %x : tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
//--- half.mlir
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}) -> tensor<2x2xf32> {
  return %x : tensor<2x2xf32>
}
