// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 1: parameters bound, linear layers found.

#ifndef PTQ_RAISE_PASSES_TD
#define PTQ_RAISE_PASSES_TD

include "mlir/Pass/PassBase.td"

def LoadParameters : Pass<"load-parameters", "::mlir::ModuleOp"> {
  let summary = "Bind a checkpoint's tensors to the model's named parameters";
  let description = [{
    Every function argument with `ptq.parameter = "key"`, and every extern `ml_program.global`, becomes
    an `arith.constant dense_resource<…>` whose data is the mapped file itself: nothing is copied, and
    the cost does not depend on the size of the weights. The constant carries `ptq.key = "key"`.

    Parameters that the files lack, and those of another shape or element type, are one error that lists
    them all, with the tensors that no parameter names. The latter alone are a warning, or with
    `strict` an error.

    Before:

    ```mlir
    func.func @main(%x: tensor<4x64xf32>, %w: tensor<32x64xf32> {ptq.parameter = "fc.weight"})
    ```

    After `--load-parameters="file=model.safetensors"`:

    ```mlir
    func.func @main(%x: tensor<4x64xf32>) {
      %w = arith.constant {ptq.key = "fc.weight"} dense_resource<fc.weight> : tensor<32x64xf32>
    ```
  }];
  let options = [
    ListOption<"files", "file", "std::string",
               "Safetensors files, or a sharded checkpoint's index.json">,
    Option<"strict", "strict", "bool", /*default=*/"false",
           "Tensors of the files that no parameter names are an error">
  ];
  let statistics = [
    Statistic<"numBound", "parameters-bound", "Parameters bound to a checkpoint's tensors">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def SaveParameters : Pass<"save-parameters", "::mlir::ModuleOp"> {
  let summary = "Turn constants back into named arguments and write their data";
  let description = [{
    The inverse of `--load-parameters`. Constants that carry `ptq.key`, and other constants of at least
    `min-bytes` bytes that are no splat, become function arguments with `ptq.parameter`, and their data is
    written to a safetensors file. A constant without a key is saved under the key of its resource.

    Two constants of the same key share a tensor if their data are equal; otherwise the second gets a
    suffix. The file is written aside and renamed: it is there whole or not at all. A remark reports its
    size, and how much smaller it is than the parameters in float.
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"", "The safetensors file to write">,
    Option<"changedOnly", "changed-only", "bool", /*default=*/"false",
           "Write only what is not, unchanged, in the checkpoint that was loaded; bind both files afterwards">,
    Option<"minBytes", "min-bytes", "int64_t", /*default=*/"1024",
           "The least size of a constant without a key that is saved, in bytes">
  ];
  let statistics = [
    Statistic<"numSaved", "parameters-saved", "Constants written to the file">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def RaiseLinear : Pass<"raise-linear", "::mlir::ModuleOp"> {
  let summary = "Find the linear layers, in whatever form the frontend wrote them";
  let description = [{
    A contraction is a linear layer if one of its operands is made of a parameter by transposes,
    broadcasts, reshapes and casts. It becomes `ptq.linear` with the weight as `[out, in]`; a bias, as
    the accumulator's initial value or added afterwards, becomes the layer's bias, and a cast of the
    result to the activation's type is absorbed. Products of two activations stay as they are.

    A contraction with a parameter that is no layer, because its weight differs along a batch dimension
    for example, stays too, with a remark that names it and the reason.

    Layers are named after their weight's key in the checkpoint without the trailing `.weight`. `names`
    is a JSON file of an object that maps keys, as IR without a checkpoint's names has them, to the names to
    use.

    Before:

    ```mlir
    %t = linalg.transpose ins(%w : tensor<32x64xf32>) outs(%e : tensor<64x32xf32>) permutation = [1, 0]
    %0 = linalg.matmul ins(%x, %t : tensor<4x64xf32>, tensor<64x32xf32>) outs(%zero : tensor<4x32xf32>)
       -> tensor<4x32xf32>
    ```

    After:

    ```mlir
    %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<4x64xf32>, tensor<32x64xf32>) -> tensor<4x32xf32>
    ```
  }];
  let options = [
    Option<"namesFile", "names", "std::string", /*default=*/"",
           "A JSON file that maps parameter keys to layer names">
  ];
  let statistics = [
    Statistic<"numRaised", "linears-raised", "Contractions raised to ptq.linear">,
    Statistic<"numDeclined", "linears-declined", "Contractions with a parameter that were not raised">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def RunPending : Pass<"run-pending", "::mlir::ModuleOp"> {
  let summary = "Do what earlier passes have put off";
  let description = [{
    Some passes leave work for a later one, which can do it on the way: `--calibrate` the statistics, `--llm-int8` the
    rounding of the layers it marks. What no pass has done this one does: it collects statistics, and rounds layers
    to nearest (`--rtn`). Passes that save, report or lower a module run it by themselves, and so does quant-opt at the
    end of its pipeline; other drivers add it where their pipeline ends.
  }];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
