// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized models as other tools read and write them.

#ifndef PTQ_INTERCHANGE_PASSES_TD
#define PTQ_INTERCHANGE_PASSES_TD

include "mlir/Pass/PassBase.td"

def SaveCheckpoint : Pass<"save-checkpoint", "::mlir::ModuleOp"> {
  let summary = "Write the quantized model as a Hugging Face folder";
  let description = [{
    Writes a folder that transformers, vLLM, GPTQModel or AutoAWQ load: the integers and scales of every quantized layer
    in a format of theirs, all other parameters as they are now (transformations change norms and biases, too) under the
    names and in the types of the folder `from`, the model was exported from, with a `quantization_config` in
    config.json; everything else is copied from there. The module stays as it is.

    | format               | holds                                                          |
    |----------------------|----------------------------------------------------------------|
    | `compressed-tensors` | `int-quantized` if all layers have 8-bit weights and integer activations, else `pack-quantized` |
    | `gptq`, `gptq_v2`    | weights of 2, 3, 4 or 8 bits; the first cannot hold zero points of 0, and GPTQModel refuses zero points in it that it did not write: with zero points, use the second |
    | `awq`                | 4-bit weights of one scheme, groups of consecutive channels    |

    Integers are never changed: what a format cannot hold is an error that says why. Scales are rounded to
    `scale-type`: by default f16 for gptq and awq, for compressed-tensors the model's own type. A remark reports the largest
    relative change; with `lossless` a change is an error. Rounded with `--rtn=scale-type=f16` (or `--gptq`), scales are 16-bit
    already, and what is saved is what was evaluated.

    The folder is written aside and renamed: it is there whole or not at all. It must not exist, or be empty.
  }];
  let options = [
    Option<"format", "format", "std::string", /*default=*/"\"compressed-tensors\"",
           "compressed-tensors, gptq, gptq_v2 or awq">,
    Option<"dir", "dir", "std::string", /*default=*/"", "The folder to write">,
    Option<"from", "from", "std::string", /*default=*/"",
           "The model's folder: config.json, names and types of its tensors, all other files">,
    Option<"scaleType", "scale-type", "std::string", /*default=*/"\"auto\"", "auto, f16, bf16 or f32">,
    Option<"lossless", "lossless", "bool", /*default=*/"false", "Scales that rounding changes are an error">,
    Option<"maxShardBytes", "max-shard-bytes", "uint64_t", /*default=*/"5000000000",
           "The most bytes of tensors in a file">
  ];
  let statistics = [
    Statistic<"numLayers", "layers-saved", "Quantized layers written">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def LoadCheckpoint : Pass<"load-checkpoint", "::mlir::ModuleOp"> {
  let summary = "Bind a folder of a model that was quantized elsewhere";
  let description = [{
    Reads the folders that `--save-checkpoint` writes, whoever wrote them. Linear layers for which the folder has integers
    become `ptq.weight_only_linear`, or `ptq.integer_linear` where its configuration quantizes activations; integers,
    scales and zero points are those of the folder. All other parameters become constants as with `--load-parameters`,
    converted where the model's float type is another than the folder's. It raises first if it finds no `ptq.linear`.

    gptq and gptq_v2 store zero points that differ by 1, and mislabelled files exist. Layers that are symmetric show it;
    for others, `q - z` has a mean near 0 if the label is right and near 1 or -1 if it is not. Either is an error; `format`
    says which it is.

    FP8, NVFP4, MXFP4 and other formats are refused.
  }];
  let options = [
    Option<"dir", "dir", "std::string", /*default=*/"", "The folder to read">,
    Option<"format", "format", "std::string", /*default=*/"",
           "gptq or gptq_v2: which of the two a gptq folder is, whatever its configuration says">
  ];
  let statistics = [
    Statistic<"numLayers", "layers-loaded", "Layers replaced by the folder's integers">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
