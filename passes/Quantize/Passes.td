// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 4: float weights become integers and scales.

#ifndef PTQ_QUANTIZE_PASSES_TD
#define PTQ_QUANTIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

/// The options that say which layers are rounded, and to what.
defvar RoundingOptions = [
  Option<"bits", "bits", "unsigned", /*default=*/"4", "Bits of a weight, 2 to 8">,
  Option<"groupSize", "group-size", "int64_t", /*default=*/"128",
         "Input channels that share a scale; -1 is a whole row (per channel)">,
  Option<"granularity", "granularity", "std::string", /*default=*/"\"group\"",
         "group, channel or tensor: which weights share a scale">,
  Option<"symmetric", "symmetric", "bool", /*default=*/"true", "No zero points">,
  Option<"type", "type", "std::string", /*default=*/"\"int\"",
         "int, or nf4: 4-bit codes of a table whose entries are spread as normally distributed weights are">,
  Option<"doubleQuantization", "double-quantization", "bool", /*default=*/"true",
         "With type=nf4: scales in 8 bits, in blocks of 256 that share a float scale">,
  Option<"activations", "activations", "std::string", /*default=*/"",
         "none, per-token, per-tensor or per-tensor-static: how activations become 8-bit integers; "
         "per-token-asymmetric, per-tensor-asymmetric: with zero points; per-token-int4: 4-bit ones; the layer's mark "
         "if not given">,
  Option<"progressive", "progressive", "bool", /*default=*/"false",
         "With bits=4 and integer activations: a float scale for each row, and small integers as scales and zero points "
         "of its groups, which expand the codes to 8 bits (QServe)">,
  Option<"scaleType", "scale-type", "std::string", /*default=*/"\"f32\"",
         "f32, f16 or bf16: weights are rounded with scales that are representable in this type, so that a checkpoint "
         "whose format stores 16-bit scales is the model that was evaluated">,
  Option<"embeddings", "embeddings", "unsigned", /*default=*/"0",
         "8 or 4: the bits of the embedding tables, with a scale for each row; 0 leaves them as they are">,
  Option<"fake", "fake", "bool", /*default=*/"false",
         "Leave floats, with a ptq.quantize and a ptq.dequantize where the integers would be">,
  Option<"markedOnly", "marked-only", "bool", /*default=*/"false",
         "Round only layers that an earlier pass has marked with a scheme">,
  Option<"only", "only", "std::string", /*default=*/"",
         "A regular expression: round only layers whose name it matches, heads included">,
  Option<"skip", "skip", "std::string", /*default=*/"",
         "A regular expression: leave layers whose name it matches in float">
];

def Rtn : Pass<"rtn", "::mlir::ModuleOp"> {
  let summary = "Round weights to the nearest integers";
  let description = [{
    Each `ptq.linear` becomes `ptq.weight_only_linear` with `q = clamp(round(w / s) + z)`, rounding half to
    even. Scales are `2·absmax / (2^bits − 1)` in a symmetric scheme and `(max − min) / (2^bits − 1)`, over a
    range that includes 0, in an asymmetric one. Needs no calibration.

    A layer takes its own marks (`weight_scheme`, `activation_scheme`) unless an option is given. With an activation
    scheme, or `activations`, it becomes `ptq.integer_linear`, whose input `ptq.quantize` or `ptq.dynamic_quantize` makes,
    once for all layers that read it; without a mark its weight then takes 8 bits per channel, scaled
    `absmax / 127`. Static scales (`per-tensor-static`) are those of calibration. Ranges that a search left on the layer
    (`clip`) bound those of its groups, unless `mse` searches them anew. A head, a layer whose value is
    returned as it is, stays float unless `only` matches it. A group size that does not divide a layer's
    width is an error that names the layer, the width and the sizes that would do.

    `embeddings=8` or `4` rounds embedding tables as well: stored matrices whose rows an operation reads by an index that
    comes with the data, whatever they embed (tokens, positions, token types). Each row has a scale of its own, `absmax / 127`
    or `2·absmax / 15`; integers and scales are read, and `ptq.dequantize` makes floats of them. A table that is also a head's weight
    stays in float for the head, with a remark, unless the head is rounded too. `skip=.` leaves all layers, and the tables
    alone are rounded.

    With `type=nf4` codes stand for the entries of QLoRA's NF4 table, the scale of a block is its absmax, and the layer
    stays `ptq.linear`, with a weight that `ptq.lookup_dequantize` makes; so it does for its scales, unless
    `double-quantization=false`. Groups must be consecutive channels, activations float. Of a mark only the groups are taken.

    Before:

    ```mlir
    %y = ptq.linear %x, %w {layer = "up"} : (tensor<4x64xf32>, tensor<32x64xf32>) -> tensor<4x32xf32>
    ```

    After `--rtn="bits=4 group-size=32"`:

    ```mlir
    %y = ptq.weight_only_linear %x, %q, %s {layer = "up", scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
       : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
    ```
  }];
  let options = RoundingOptions # [
    Option<"mse", "mse", "bool", /*default=*/"false",
           "Search the range of each group that minimises the rounding error's 2.4-norm">
  ];
  let statistics = [Statistic<"numRounded", "layers-rounded", "Layers whose weights were rounded">];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def Gptq : Pass<"gptq", "::mlir::ModuleOp"> {
  let summary = "Round weights one input channel at a time, correcting the error in those that follow";
  let description = [{
    GPTQ (Frantar et al., 2023): minimises the error of each layer's output on the calibration samples,
    ‖(W − Q)·X‖². The pass runs the samples of `--calibrate` through the model, takes XᵀX at each linear
    layer, rounds the layer, and goes on with its rounded weight (`sequential`, the default) or with the
    float one. It needs the memory of one layer at a time. Without samples, Gram matrices of
    `--load-statistics` serve (then as they were measured, in float).

    `order` is the order in which input channels are rounded: as they are (`none`); by descending energy
    (`act`: with scales that are taken live, groups are then no consecutive channels, and the layer gets a
    group index); or by energy inside each group and groups by their greatest energy (`group-aware`, the
    default), which needs nothing at run time. `damp` times the mean of the diagonal is added to it; a matrix
    that is still not positive definite gets 0.01 more until it is. A layer for which that does not help
    is rounded to nearest, with a warning that names it.

    Marks, integer activations and `clip` are as in `--rtn`. Later layers see the rounded weights and float
    activations, and XᵀX is that of the float activations.

    Layers of other functions that use the weights of the calibrated one (a decoding function beside that of the
    prefill) become what these became.

    With `resume=DIR` each layer is written to the folder when it is rounded. The same command, started again after it was interrupted at any time, takes from there what it finds and
    gives the same result to the byte. A layer is taken only if weight, input and options are those that it was made of;
    a folder of another run is an error. Its files may be deleted once the result is saved.

    The scales of a group are taken when its first channel is reached, from the weights as corrected so far;
    `static-groups` takes them from the original weights. The range of a group need not be that of its weights:
    `mse` searches the one that rounds them best (perplexity of SmolLM2-135M with 4 bits in groups of 64: 17.5
    with the search, 18.2 without).
  }];
  let options = RoundingOptions # [
    Option<"mse", "mse", "bool", /*default=*/"true",
           "Search the range of each group that minimises the rounding error's 2.4-norm">,
    Option<"damp", "damp", "double", /*default=*/"0.05", "Damping, as a share of the mean of the diagonal">,
    Option<"order", "order", "std::string", /*default=*/"\"group-aware\"",
           "Order of the input channels: group-aware, act or none">,
    Option<"staticGroups", "static-groups", "bool", /*default=*/"false",
           "Take the scales of groups from the original weights">,
    Option<"outliers", "outliers", "std::string", /*default=*/"\"0\"",
           "The share of weights, those whose rounding costs most, that stay in 16 bits as a sparse matrix: 0.5% or "
           "0.005, for example; at most 10%">,
    Option<"sequential", "sequential", "bool", /*default=*/"true",
           "Later layers see the rounded weights of earlier ones">,
    Option<"resume", "resume", "std::string", /*default=*/"\"\"",
           "A folder that rounded layers are kept in as they come: a run that was interrupted goes on from there">
  ];
  let statistics = [Statistic<"numRounded", "layers-rounded", "Layers whose weights were rounded">];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def LlmInt8 : Pass<"llm-int8", "::mlir::ModuleOp"> {
  let summary = "8-bit integers, with the outlier columns in 16 bits";
  let description = [{
    LLM.int8() (Dettmers et al., 2022). In large models a few channels of a layer's input have values far beyond
    all others, and a scale that covers them leaves nothing for the rest. Channels with any `|x| ≥ threshold` are
    multiplied in the model's float type with their original weights, all others in 8-bit integers with a scale for
    each token and each row of the weight.

    Which channels these are is known from calibration (statistics are needed) or, with `dynamic`, found in each
    call; the weight is then there twice, in integers and, for columns to be chosen from, in floats.
    `outlier-weights=dequantized` takes the rounded weights for outliers too, as bitsandbytes does: a dynamic layer then
    needs no float weight.

    The pass marks layers; the rounding pass that comes next rounds them, `--gptq` for example, which then feeds no error
    from or to an outlier column. If none comes, they are rounded to nearest before the module is saved, reported or
    lowered, and at the end of quant-opt's pipeline. Marks that a transformation left (`--smoothquant`) stay as
    they are.

    Before:

    ```mlir
    %y = ptq.linear %x, %w {layer = "up", statistics = …} : (tensor<4x64xf32>, tensor<32x64xf32>) -> tensor<4x32xf32>
    ```

    After `--llm-int8 --rtn`, where channels 5 and 17 are outliers:

    ```mlir
    %columns = arith.constant dense<[5, 17]> : tensor<2xi32>
    %rest = ptq.drop_columns %x, %columns : (tensor<4x64xf32>, tensor<2xi32>) -> tensor<4x62xf32>
    %outliers = ptq.select_columns %x, %columns : (tensor<4x64xf32>, tensor<2xi32>) -> tensor<4x2xf32>
    %q, %s = ptq.dynamic_quantize %rest {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
       : (tensor<4x62xf32>) -> (tensor<4x62xi8>, tensor<4xf32>)
    %y = ptq.integer_linear %q, %s, %w8, %ws outliers %outliers, %wo {layer = "up", …}
       : (tensor<4x62xi8>, tensor<4xf32>, tensor<32x62xi8>, tensor<32x1xf32>, tensor<4x2xf32>, tensor<32x2xf32>)
         -> tensor<4x32xf32>
    ```
  }];
  let options = [
    Option<"threshold", "threshold", "double", /*default=*/"6.0",
           "The least |x| of an outlier; 0: there are none, inf: all columns are, and layers stay in float">,
    Option<"dynamic", "dynamic", "bool", /*default=*/"false", "Find the outlier columns in each call">,
    Option<"outlierWeights", "outlier-weights", "std::string", /*default=*/"\"original\"",
           "original, or dequantized: what outlier columns are multiplied with">,
    Option<"only", "only", "std::string", /*default=*/"",
           "A regular expression: mark only layers whose name it matches, heads included">,
    Option<"skip", "skip", "std::string", /*default=*/"",
           "A regular expression: leave layers whose name it matches as they are">
  ];
  let statistics = [Statistic<"numMarked", "layers-marked", "Layers that were marked">];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeByGoal : Pass<"quantize", "::mlir::ModuleOp"> {
  let summary = "Quantize for a goal: choose the transformation, the scheme and the rounding";
  let description = [{
    Chooses passes and their options for a goal, says in a remark which these are, as a command, and runs them. The samples
    of `--calibrate` are needed.

    | goal | target | passes | why |
    |---|---|---|---|
    | `size` | any | `--awq="bits=4 group-size=G symmetric=false" --gptq=embeddings=8` | of all 4-bit schemes the best measured (SmolLM2-135M, float 15.37: 16.34; without AWQ 17.13; symmetric 17.53) |
    | `quality` | any | `--gptq="bits=8 group-size=-1"` | weights of 8 bits cost next to nothing |
    | `speed` | `cpu` | `--smoothquant=alpha=auto --gptq` | the CPU's products of integers run at 3.6 to 4 times the rate of floats; 4-bit weights are dequantized before the product |
    | `speed` | `sm_80`, `sm_89`, `sm_90` | the same or, where a call has at most 32 tokens, `--awq="bits=4 group-size=G symmetric=false" --gptq` | tensor cores multiply integers at twice the rate; few tokens are bound by reading weights |

    `G` is the greatest of 128, 64, 32 and 16 that divides the width of each layer, or a whole row.
  }];
  let options = [
    Option<"goal", "goal", "std::string", /*default=*/"\"quality\"", "size, speed or quality">,
    Option<"target", "target", "std::string", /*default=*/"\"cpu\"", "cpu, sm_80, sm_89 or sm_90">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

#endif
