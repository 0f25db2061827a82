// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether the module still computes what it did.

#ifndef PTQ_VERIFY_PASSES_TD
#define PTQ_VERIFY_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyEquivalence : Pass<"verify-equivalence", "::mlir::ModuleOp"> {
  let summary = "Run the module as it was loaded and as it is now, and compare";
  let description = [{
    Runs the function as it was loaded and as it stands on the CPU, on the same samples, and reports for every output
    the signal-to-noise ratio, the cosine and the greatest error, absolute and relative to the greatest value of the
    output. If an output is further off than allowed it fails, and names the first layer where the two part.

    The module as it was loaded is the one that `--load-parameters` left, or without that the one that the first pass
    found that raises. It is kept to the end of the pipeline that the pass is part of. With `reference` the module
    is compared with one from a file instead: `reference-parameters` are the files its parameters are in.

    What is allowed is `tolerance`, of the greatest error relative to the output's greatest value, and `sqnr`, the
    least signal-to-noise ratio. With neither, transformations must be exact: 1e-4, for models with 16-bit parameters
    2e-2. A module with quantized layers differs by design: with neither of the two it is reported, and does not fail.

    `data` are samples as `--calibrate` takes them; without it the samples are those that the module was calibrated
    on. Of these the first `max-samples` are used.

    The first layer where the two part: its input is no longer the same up to a positive factor for each channel,
    which transformations may move between layers. On up to 4 samples, the worst among them, and 64 tokens, the
    factors are fitted by least squares, and the residual is compared with `tolerance` (with `sqnr` alone with
    10^(−sqnr/20)). What went wrong lies between that layer and the one before it, both of which are named.
  }];
  let options = [
    Option<"data", "data", "std::string", /*default=*/"",
           "Samples: a safetensors file, or text for byte ids; default: the calibration's">,
    Option<"maxSamples", "max-samples", "int64_t", /*default=*/"8", "How many samples to use; 0 is all">,
    Option<"tolerance", "tolerance", "double", /*default=*/"-1.0",
           "Greatest error allowed, relative to the output's greatest value; negative: see above">,
    Option<"sqnr", "sqnr", "double", /*default=*/"0.0",
           "Least signal-to-noise ratio allowed, in dB; 0 requires none">,
    Option<"function", "function", "std::string", /*default=*/"",
           "The function to run; default: the calibration's, or main">,
    Option<"reference", "reference", "std::string", /*default=*/"",
           "Compare with the module in this file instead of the one that was loaded">,
    ListOption<"referenceParameters", "reference-parameters", "std::string",
               "The reference's checkpoint: safetensors files, or an index.json">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def TestChannelScales : Pass<"test-channel-scales", "::mlir::ModuleOp"> {
  let summary = "Rescale every layer's input by random factors, wherever that can be undone";
  let description = [{
    Divides the input of every group of layers that read one activation by random factors, channel by channel, and
    undoes it in their weights. The function computes what it did, but for rounding. With `--verify-equivalence`
    behind it this proves, by running, that transformations are exact on a model; a remark for each group says where
    its scales went, or why there is no place for them.
  }];
  let options = [
    Option<"seed", "seed", "unsigned", /*default=*/"1", "Of the random numbers">,
    Option<"greatest", "greatest", "double", /*default=*/"10.0",
           "The factors lie between 1/greatest and greatest, their logarithms evenly">,
    Option<"explicitScales", "explicit-scale", "bool", /*default=*/"true",
           "Insert ptq.scale_channels where no parameter can take the factors; false leaves these groups alone">
  ];
  let statistics = [
    Statistic<"numFolded", "inputs-folded", "Layers whose input scale parameters took">,
    Statistic<"numExplicit", "inputs-explicit", "Layers whose input scale needs an operation of its own">,
    Statistic<"numDeclined", "inputs-declined", "Layers whose input cannot be scaled">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

#endif
