// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 2: what the activations look like.

#ifndef PTQ_CALIBRATE_PASSES_TD
#define PTQ_CALIBRATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def Calibrate : Pass<"calibrate", "::mlir::ModuleOp"> {
  let summary = "Run the model on samples and attach statistics of every linear layer's input";
  let description = [{
    Runs the function on the CPU on the user's own samples and attaches `#ptq.statistics` to each
    `ptq.linear`: the token count, and for each input channel the greatest and the mean absolute value. Layers
    that share an input share them.

    The samples are checked here and run when statistics are first needed: by a pass that reads them, by a pass
    that runs the model anyway (`--gptq` collects them as it goes), or at the latest by
    `--collect-statistics`, which `quant-opt` runs at the end. So a pipeline runs the model no more often
    than it must. With `statistics=false` they are only remembered, for `--gptq`.

    `data` is a safetensors file with a tensor for each of the function's inputs, by `ptq.input`: for an
    input of shape S a tensor of shape S, or N×S for N samples. For a model whose only input is byte ids
    it may be any other file: its bytes, cut into samples of the input's size.

    Padding does not count: where an integer or boolean input is named `mask` or `attention_mask` and has an element
    for each token, tokens for which it is 0 are in no statistics, and not in what `--gptq` and the transformations
    see of the samples.

    `save` writes the statistics to a safetensors file for `--load-statistics`, with `gram` the matrices
    XᵀX too, of in² floats for each input. A model with no linear layer is raised first.
  }];
  let options = [
    Option<"data", "data", "std::string", /*default=*/"", "Samples: a safetensors file, or text for byte ids">,
    Option<"maxSamples", "max-samples", "int64_t", /*default=*/"0", "How many samples to use; 0 is all">,
    Option<"save", "save", "std::string", /*default=*/"", "Write the statistics to this safetensors file">,
    Option<"gram", "gram", "bool", /*default=*/"false", "Save the Gram matrices as well">,
    Option<"function", "function", "std::string", /*default=*/"\"main\"", "The function to run">,
    Option<"statistics", "statistics", "bool", /*default=*/"true",
           "Attach statistics; false only remembers the samples, for passes that run the model">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def CollectStatistics : Pass<"collect-statistics", "::mlir::ModuleOp"> {
  let summary = "Run the samples that --calibrate remembered, if no pass has yet";
  let description = [{
    Attaches the statistics that `--calibrate` left pending. Does nothing if none are. `quant-opt` ends every
    pipeline with it; other drivers add it where the statistics are to leave the process.
  }];
  let dependentDialects = ["::ptq::PTQDialect"];
}

def LoadStatistics : Pass<"load-statistics", "::mlir::ModuleOp"> {
  let summary = "Attach the statistics of an earlier run";
  let description = [{
    Attaches the statistics in a file that `--calibrate="save=…"` wrote to the linear layers of the same names.
    A layer that the file lacks, or has with another width, is an error. The module remembers the file, for
    passes that can use its Gram matrices (`--gptq`).
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"", "The safetensors file with the statistics">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

#endif
