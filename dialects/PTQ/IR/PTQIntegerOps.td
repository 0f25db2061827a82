// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations of the ptq dialect whose activations are integers. Included by PTQOps.td.

#ifndef PTQ_INTEGER_OPS_TD
#define PTQ_INTEGER_OPS_TD

def PTQ_DynamicQuantizeOp : PTQ_Op<"dynamic_quantize", [
    AllShapesMatch<["x", "q"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "float to integer with scales taken from the tensor";
  let description = [{
    Quantizes `v[…, k] = x[…, k]·c[k]` as `ptq.quantize` does, with scales and zero points computed from the
    values that share them: those of a token (`per_token`, all but the last dimension) or all (`per_tensor`,
    shape `[1]`).

    - symmetric: `s = max|v| / (2^(bits-1) - 1)`;
    - asymmetric: with `lo = min(0, min v)` and `hi = max(0, max v)`: `s = (hi - lo) / (2^bits - 1)`,
      `z = clamp(round(-lo / s), 0, 2^bits - 1) - 2^(bits-1)`.

    A scale is at least 2^-126, the least normal float32. All is computed in float32 (float64 if `x`'s type
    is); what divides `v` is the scale as its result's type holds it. A NaN makes its scale NaN, an infinity makes it
    infinite: a product of these integers and scales is then NaN, as that of the floats is not finite.

    Example:

    ```mlir
    %q, %s = ptq.dynamic_quantize %x channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
       : (tensor<1x256x576xf32>, tensor<576xf32>) -> (tensor<1x256x576xi8>, tensor<1x256xf32>)
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, Optional<PTQ_FloatVector>:$channel_scales, PTQ_SchemeAttr:$scheme);
  let results = (outs PTQ_IntegerTensor:$q, PTQ_FloatTensor:$scales, Optional<PTQ_IntegerTensor>:$zero_points);
  let assemblyFormat = [{
    $x (`channel_scales` $channel_scales^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_IntegerLinearOp : PTQ_Op<"integer_linear", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<PTQ_LayerOpInterface, ["getLayerName", "getInFeatures", "getOutFeatures"]>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "a linear layer with an integer weight and integer activations";
  let description = [{
    `y[…, n] = (Σ_g float(Σ_{k in g} (x[…, k] - z[…])·w[n, k])·s_w[n, g])·s_x[…] + Σ_j x_o[…, j]·w_o[n, j] + b[n]`

    The inner sum is exact, in 32-bit integers. What follows is computed in float32 (float64 if the result's type
    is): each group's sum times its weight scale, the groups added one after another, times the activation's scale,
    plus the outliers' sum where there are any, plus the bias; then rounded once to the result's type. Without groups `g` is all of `k`.

    `x` holds the integers of `activation_scheme`, `per_tensor` or `per_token`, with the scales and zero points
    that it gives (see `#ptq.scheme`), made by `ptq.quantize` or `ptq.dynamic_quantize`. With an asymmetric
    scheme zero points may be absent: then they are 0, or `b` holds their part of the sum already.

    `weight` is symmetric: int8 `[out, in]` for 8 bits, packed 32-bit words as in `ptq.weight_only_linear` for
    fewer. `outliers` are the columns that stay in floats, `[…, o]`, and their weights, `[out, o]` (LLM.int8()); their products
    are accumulated among themselves in float32 at least. `weight_scales` is `[out, in/g]` for `per_group(g)`, `[out, 1]` for `per_channel` and `[1, 1]` for
    `per_tensor`. `statistics` is what calibration saw of the float activation, with its outlier columns or without.

    Example:

    ```mlir
    %q, %s = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
       : (tensor<1x256x576xf32>) -> (tensor<1x256x576xi8>, tensor<1x256xf32>)
    %y = ptq.integer_linear %q, %s, %w, %ws bias %b
           {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>,
            layer = "model.layers.0.mlp.up_proj", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<1x256x576xi8>, tensor<1x256xf32>, tensor<1536x576xi8>, tensor<1536x1xf32>, tensor<1536xf32>)
         -> tensor<1x256x1536xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[I8]>:$x, PTQ_FloatTensor:$x_scales,
                       Optional<RankedTensorOf<[I8]>>:$x_zero_points,
                       2DTensorOf<[I8, I32]>:$weight, PTQ_FloatMatrix:$weight_scales,
                       Optional<PTQ_FloatTensor>:$x_outliers, Optional<PTQ_FloatMatrix>:$weight_outliers,
                       Optional<PTQ_FloatVector>:$bias,
                       PTQ_SchemeAttr:$activation_scheme, PTQ_SchemeAttr:$weight_scheme,
                       OptionalAttr<StrAttr>:$layer,
                       OptionalAttr<PTQ_StatisticsAttr>:$statistics);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = [{
    $x `,` $x_scales (`x_zero_points` $x_zero_points^)? `,` $weight `,` $weight_scales
    (`outliers` $x_outliers^ `,` $weight_outliers)? (`bias` $bias^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def PTQ_ExpandGroupsOp : PTQ_Op<"expand_groups", [
    AllTypesMatch<["scales", "zero_points"]>]> {
  let summary = "8-bit integers from packed codes with integer scales and zero points of groups";
  let description = [{
    `w[n, k] = (q[n, k] - z[n, k / g])·s[n, k / g]`

    The weight of a `ptq.integer_linear` in progressive groups (QServe, Lin et al., 2024, section 4.1): 4-bit codes in groups that
    stand for 8-bit integers, so that the products of a whole row are added in integers and one float scale a channel is left.
    A row of `codes` is packed as in `ptq.weight_only_linear`, `bits` a code; `scales` and `zero_points` are
    `[rows, columns / g]`, `s` in `[1, 127]`, `z` a code. The result is taken modulo 256; rounding leaves no code for which
    it is not in `[-128, 127]`.

    Example:

    ```mlir
    %w = ptq.expand_groups %codes, %scales, %zero_points {bits = 4}
       : (tensor<1536x72xi32>, tensor<1536x9xi8>, tensor<1536x9xi8>) -> tensor<1536x576xi8>
    ```
  }];
  let arguments = (ins 2DTensorOf<[I32]>:$codes, 2DTensorOf<[I8]>:$scales, 2DTensorOf<[I8]>:$zero_points,
                       I64Attr:$bits);
  let results = (outs 2DTensorOf<[I8]>:$y);
  let assemblyFormat = [{
    $codes `,` $scales `,` $zero_points attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Columns that share a scale.
    int64_t getGroupSize() { return getY().getType().getDimSize(1) / getScales().getType().getDimSize(1); }
  }];
}

def PTQ_IntegerBatchMatmulOp : PTQ_Op<"integer_batch_matmul", [
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "a batch of products of integer matrices, the right one transposed";
  let description = [{
    `y[…, m, n] = (float(Σ_k a[…, m, k]·b[…, n, k])·s_b[…, n])·s_a[…, m]`

    The sum is exact, in 32-bit integers; the two products are in float32 (float64 if the result's type is),
    rounded once to the result's type. `a` is `[batch…, M, K]`, `b` is `[batch…, N, K]`. The scales of each are per token,
    its shape without the last dimension, or per tensor, `[1]`. Attention with 8-bit integers is two of these.

    Example:

    ```mlir
    %scores = ptq.integer_batch_matmul %q, %qs, %k, %ks
       : (tensor<1x9x256x64xi8>, tensor<1x9x256xf32>, tensor<1x9x256x64xi8>, tensor<1x9x256xf32>)
         -> tensor<1x9x256x256xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[I8]>:$a, PTQ_FloatTensor:$a_scales,
                       RankedTensorOf<[I8]>:$b, PTQ_FloatTensor:$b_scales);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = [{
    $a `,` $a_scales `,` $b `,` $b_scales attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif
