// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 3: rounding made easier without changing what the model computes.

#ifndef PTQ_TRANSFORM_PASSES_TD
#define PTQ_TRANSFORM_PASSES_TD

include "mlir/Pass/PassBase.td"

def SmoothQuant : Pass<"smoothquant", "::mlir::ModuleOp"> {
  let summary = "Move the outliers of activations into weights, and mark layers int8 by int8";
  let description = [{
    SmoothQuant (Xiao et al., 2022): the input x of layers is divided, channel by channel, by
    `s = max|x|^alpha / max|w|^(1 - alpha)`, and their weights' columns are multiplied by it. The model
    computes what it did; x and the weights now round about equally well. The maxima of x are those of
    calibration, of w over all layers that read x.

    Where the division goes is found by algebra: into the parameters of a norm, into the rows of the layer
    before (v_proj under attention, up_proj under a gate, fc1 under ReLU). Where nothing absorbs it
    (`explicit-scale`), `auto` and `always` insert a `ptq.scale_channels`, which costs nothing in W8A8: quantizing
    multiplies anyway. `never` leaves such inputs as they are. Each decision is a remark.

    `alpha=auto` chooses for each input the alpha of 0, 0.05, …, 1, or no scales at all, with the least error
    of the quantized layers' outputs on up to 512 calibration tokens. It runs the samples; a fixed alpha
    needs their statistics only, which `--load-statistics` brings as well.

    The layers are marked for `--rtn` and `--gptq` (heads only if `only` matches them), by `granularity`:

    |    | weights     | activations           |
    |----|-------------|-----------------------|
    | O1 | per channel | per token, dynamic    |
    | O2 | per tensor  | per tensor, dynamic   |
    | O3 | per tensor  | per tensor, static    |

    Before:

    ```mlir
    %y = linalg.generic … ins(%norm, %gamma …) { arith.mulf … }
    %q = ptq.linear %y, %wq {layer = "q", statistics = …} : …
    ```

    After:

    ```mlir
    %y = linalg.generic … ins(%norm, %gamma_over_s …) { arith.mulf … }
    %q = ptq.linear %y, %wq_times_s {layer = "q", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>,
                          activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, …} : …
    ```
  }];
  let options = [
    Option<"alpha", "alpha", "std::string", /*default=*/"\"0.5\"",
           "How much of the difficulty moves into the weights, 0 to 1, or auto">,
    Option<"granularity", "granularity", "std::string", /*default=*/"\"O1\"",
           "O1, O2 or O3: which weights and activations share a scale">,
    Option<"explicitScale", "explicit-scale", "std::string", /*default=*/"\"auto\"",
           "Multiply activations where nothing absorbs a scale: auto, never or always">,
    Option<"attention", "attention", "std::string", /*default=*/"\"float\"",
           "float, or int8: attention's two products of activations with integers too (see --quantize-attention)">,
    Option<"only", "only", "std::string", /*default=*/"",
           "A regular expression: only layers whose name it matches, heads included">,
    Option<"skip", "skip", "std::string", /*default=*/"",
           "A regular expression: leave layers whose name it matches">
  ];
  let statistics = [
    Statistic<"numFolded", "inputs-folded", "Inputs whose scales parameters absorbed">,
    Statistic<"numExplicit", "inputs-explicit", "Inputs that are multiplied at run time">,
    Statistic<"numLeft", "inputs-left", "Inputs that took no scales">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def Awq : Pass<"awq", "::mlir::ModuleOp"> {
  let summary = "Scale weights by the importance of their input channels, and clip their ranges";
  let description = [{
    AWQ (Lin et al., 2023): weights of channels with large activations are made larger before they are rounded,
    and the activations smaller. The pass runs the calibration samples and searches, for each input x and all
    layers that read it together, scales `s = mean|x|^r / mean(|w| / group max)^(1 - r)` (`duo`) and
    `s = mean|x|^r`, over `grid` points r in [0, 1], for the least error of the layers' rounded outputs over
    all calibration tokens. No scales at all are a candidate, too. x is then divided and the weights are
    multiplied, as in `--smoothquant`: the model computes what it did.

    `clip` searches the range of each group of each row as well, max|w| down to 0.55 of it, for the least error
    of the group's part of the output, and leaves it on the layer as a hint to `--rtn`. Layers whose output is
    multiplied with another activation over its channels (queries and keys) are left out.

    Where no parameter absorbs a scale, a multiplication of x at run time is the price. With
    `explicit-scale=auto` it is paid where it removes at least 10 % of the error; `always` takes the best
    scales whatever they gain, `never` none. Each decision is a remark.

    Layers are rounded as their marks say, or as `bits`, `group-size` and `symmetric` do, which then become the
    mark; without either, to 4 bits in symmetric groups of 128. `--rtn` and `--gptq` take the marks.

    The search looks at the error of up to 1024 rows of a weight on a random sketch of all tokens, so that it
    takes no longer than GPTQ on the layer; the errors it reports are of all rows, on another sketch.
  }];
  let options = [
    Option<"grid", "grid", "unsigned", /*default=*/"20", "Steps of the exponent between 0 and 1">,
    Option<"clip", "clip", "bool", /*default=*/"true", "Search the ranges of groups">,
    Option<"duo", "duo", "bool", /*default=*/"true", "Try scales by activations and weights, besides activations alone">,
    Option<"explicitScale", "explicit-scale", "std::string", /*default=*/"\"auto\"",
           "Multiply activations where nothing absorbs a scale: auto, never or always">,
    Option<"bits", "bits", "unsigned", /*default=*/"4", "Bits of a weight, 2 to 8">,
    Option<"groupSize", "group-size", "int64_t", /*default=*/"128",
           "Input channels that share a scale; -1 is a whole row (per channel)">,
    Option<"symmetric", "symmetric", "bool", /*default=*/"true", "No zero points">,
    Option<"only", "only", "std::string", /*default=*/"",
           "A regular expression: only layers whose name it matches, heads included">,
    Option<"skip", "skip", "std::string", /*default=*/"",
           "A regular expression: leave layers whose name it matches">
  ];
  let statistics = [
    Statistic<"numFolded", "inputs-folded", "Inputs whose scales parameters absorbed">,
    Statistic<"numExplicit", "inputs-explicit", "Inputs that are multiplied at run time">,
    Statistic<"numLeft", "inputs-left", "Inputs that took no scales">,
    Statistic<"numClipped", "layers-clipped", "Layers whose ranges were searched">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeAttention : Pass<"quantize-attention", "::mlir::ModuleOp"> {
  let summary = "Multiply activations with each other in 8-bit integers";
  let description = [{
    The products of attention, queries with keys and probabilities with values, with 8-bit integers: both operands
    are quantized per token as they come, symmetric, and multiplied by `ptq.integer_batch_matmul`. A product of two
    activations is any contraction neither operand of which is made of a parameter; values are transposed first, so
    that the rows with one scale are those that are not summed over. What is no such product of f32, f16 or
    bf16 (nothing is summed; the body computes more) is left, with a remark that says why. `--smoothquant` does the
    same with `attention=int8`.

    Before:

    ```mlir
    %s = linalg.batch_matmul ins(%q, %kt : tensor<8x256x32xf32>, tensor<8x32x256xf32>) outs(%zero : tensor<8x256x256xf32>) -> …
    ```

    After:

    ```mlir
    %qq, %qs = ptq.dynamic_quantize %q {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
      : (tensor<8x256x32xf32>) -> (tensor<8x256x32xi8>, tensor<8x256xf32>)
    %k = linalg.transpose ins(%kt : tensor<8x32x256xf32>) outs(…) permutation = [0, 2, 1]
    %kq, %ks = ptq.dynamic_quantize %k {…} : (tensor<8x256x32xf32>) -> (tensor<8x256x32xi8>, tensor<8x256xf32>)
    %s = ptq.integer_batch_matmul %qq, %qs, %kq, %ks : (…) -> tensor<8x256x256xf32>
    ```
  }];
  let statistics = [
    Statistic<"numQuantized", "products-quantized", "Products of activations in integers">,
    Statistic<"numDeclined", "products-left", "Products of activations left as they are">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def MixedPrecision : Pass<"mixed-precision", "::mlir::ModuleOp"> {
  let summary = "Mark each layer with the bits of its weight, by a budget or a plan";
  let description = [{
    Leaves a mark on each layer (`weight_scheme`, or `ptq.keep_float`), which `--rtn`, `--gptq` and `--awq` obey. Heads are
    left out, as in those. Ranges that `--awq` searched (`clip`) go where the scheme changes: run it after this pass.

    **`average-bits=B`** shares out bits: each layer gets one of the candidates `bits` (16: it stays float) so that the
    summed cost of rounding is least, exactly (a multiple-choice knapsack), under the bytes that B bits everywhere would
    take in the same group size, scales and zero points included. It so is never larger than a uniform `bits=B`. A layer that stays
    float takes the bytes of its own type. Errors are measured: one run of the calibration samples, in which each layer
    is rounded to each candidate by `method`; the error is tr(ΔW·XᵀX·ΔWᵀ), the squared error of its output. The float model
    gives X for all layers.

    Outputs of layers have very different sizes, and errors of the same size do not matter alike. `objective` says what an error is
    multiplied by: nothing (`output-error`); one over the energy of the layer's output (`relative`); or the layer's
    sensitivity (`sensitivity`, the default): the change of the model's results for each unit of squared error, measured with only
    that layer rounded. The change is the squared distance; for a head's results, logits, the Kullback-Leibler divergence. That takes a
    run of the model over `sensitivity-samples` samples for each layer.
    SmolLM2-135M, groups of 64, GPTQ, perplexity (float 15.37):

    | average-bits | uniform | output-error | relative | sensitivity |
    |--------------|---------|--------------|----------|-------------|
    | 4            | 17.53   | 18.78        | 17.37    | 16.87       |
    | 3            | 23.80   |              |          | 22.72       |

    The choice is a remark, and `ptq.mixed_precision` on each layer.

    **`plan=F`** reads rules in YAML. The first rule that matches a layer wins; a layer that none matches stays as it is,
    with the marks it has. A rule that no layer is left for is an error.

    ```yaml
    - role: residual-output    # or name: REGEX, which is found in the layer's name
      bits: 8                  # 2 to 8, or float: true
      group-size: 64           # -1: a whole row; if not given, the pass's group-size
      symmetric: true          # if not given, the pass's symmetric
      method: rtn              # or gptq; if not given, that of the rounding pass
    - name: 'layers\.0\.'
      float: true
    ```

    Roles are told by the flow of data, whatever layers are called: `residual-output` is a linear whose output is added
    to a value that its input is computed from; `attention-output` one of these with a product of two activations on the way,
    `mlp-output` any other. Plans shipped with the tool are named instead of a file:
    `attention-output-and-down-8bit` (residual outputs 8 bits, others 4) and `mlp-output-8bit`.

    Before:

    ```mlir
    %y = ptq.linear %x, %w {layer = "o_proj"} : …
    ```

    After `--mixed-precision="plan=attention-output-and-down-8bit group-size=64"`:

    ```mlir
    %y = ptq.linear %x, %w {layer = "o_proj", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(64)>} : …
    ```
  }];
  let options = [
    Option<"averageBits", "average-bits", "double", /*default=*/"0",
           "The budget: bytes of a uniform rounding to so many bits, which need not be a whole number">,
    ListOption<"bits", "bits", "unsigned", "The candidates, 2 to 8, and 16 for staying float; 2,3,4,8,16 if not given">,
    Option<"plan", "plan", "std::string", /*default=*/"", "A plan's file, or the name of one shipped with the tool">,
    Option<"groupSize", "group-size", "int64_t", /*default=*/"128",
           "Input channels that share a scale; -1 is a whole row (per channel)">,
    Option<"symmetric", "symmetric", "bool", /*default=*/"true", "No zero points">,
    Option<"method", "method", "std::string", /*default=*/"\"gptq\"",
           "gptq or rtn: the rounding that errors are measured with">,
    Option<"objective", "objective", "std::string", /*default=*/"\"sensitivity\"",
           "output-error, relative or sensitivity: what a layer's error is weighted by">,
    Option<"sensitivitySamples", "sensitivity-samples", "int64_t", /*default=*/"1",
           "Samples that sensitivities are measured on">
  ];
  let statistics = [
    Statistic<"numMarked", "layers-marked", "Layers marked to be rounded">,
    Statistic<"numFloat", "layers-float", "Layers marked to stay float">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeKVCache : Pass<"quantize-kv-cache", "::mlir::ModuleOp"> {
  let summary = "Keep KV caches in 8-bit integers, with a scale for each token and head";
  let description = [{
    A KV cache is an input that a value computed in the call, or another input, extends, by `tensor.concat` or
    `tensor.insert_slice`, and that is then returned for the next call, or multiplied with another activation. It becomes int8, and gets an
    input for its scales, `[…, tokens]`, called `<name>_scale`, right after it; where its extension, or what was added
    to it, is returned, codes and scales are, the latter called `<result>_scale`. Only what is added is quantized,
    once: codes of earlier calls are passed on as they are. Attention reads what `ptq.dequantize` makes of them.

    A cache that something else reads too, that grows along its last dimension or is returned in another shape stays
    float, with a remark that says why. Statistics are those of the float model: `--calibrate` comes first. Samples
    with float caches still serve afterwards, for `--gptq` and in `quant-run`: they are quantized as they are read.

    Before:

    ```mlir
    %k = tensor.concat dim(2) %cache, %new : (tensor<1x2x?x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x?x16xf32>
    ```

    After:

    ```mlir
    %q, %s = ptq.dynamic_quantize %new {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
      : (tensor<1x2x1x16xf32>) -> (tensor<1x2x1x16xi8>, tensor<1x2x1xf32>)
    %codes = tensor.concat dim(2) %cache, %q : (tensor<1x2x?x16xi8>, tensor<1x2x1x16xi8>) -> tensor<1x2x?x16xi8>
    %scales = tensor.concat dim(2) %cache_scale, %s : (tensor<1x2x?xf32>, tensor<1x2x1xf32>) -> tensor<1x2x?xf32>
    %k = ptq.dequantize %codes, %scales {…} : (tensor<1x2x?x16xi8>, tensor<1x2x?xf32>) -> tensor<1x2x?x16xf32>
    ```
  }];
  let options = [
    Option<"inputs", "inputs", "std::string", /*default=*/"",
           "A regular expression: only caches whose input's name it matches">,
    Option<"function", "function", "std::string", /*default=*/"\"main\"", "The function whose inputs they are">
  ];
  let statistics = [
    Statistic<"numQuantized", "caches-quantized", "KV caches in integers">,
    Statistic<"numDeclined", "caches-left", "KV caches left in float">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

#endif
