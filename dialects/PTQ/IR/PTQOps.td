// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations of the ptq dialect.

#ifndef PTQ_OPS_TD
#define PTQ_OPS_TD

include "PTQAttrs.td"
include "PTQInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class PTQ_Op<string mnemonic, list<Trait> traits = []>
    : Op<PTQ_Dialect, mnemonic, !listconcat(traits, [Pure])>;

def PTQ_FloatTensor : RankedTensorOf<[F16, BF16, F32, F64]>;
def PTQ_FloatVector : 1DTensorOf<[F16, BF16, F32, F64]>;
def PTQ_FloatMatrix : 2DTensorOf<[F16, BF16, F32, F64]>;
def PTQ_IntegerTensor : RankedTensorOf<[I<4>, I8, I16, I32]>;

def PTQ_LinearOp : PTQ_Op<"linear", [
    DeclareOpInterfaceMethods<PTQ_LayerOpInterface, ["getLayerName", "getInFeatures", "getOutFeatures"]>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "a linear layer with a float weight";
  let description = [{
    `y[…, n] = Σ_k x[…, k]·w[n, k] + b[n]`

    Products are accumulated in float32 at least (in float64 for float64 operands), the bias is added
    there, and the sum is rounded once to the result's element type.

    `layer` is the layer's name in the model. `statistics` is what calibration saw of `x`.
    `weight_scheme` and `activation_scheme` are marks that a transformation leaves for the rounding
    pass: how the weight, and where it is quantized too the activation, shall be represented. `clip`,
    float32 `[out, groups]`, is a hint to it from a search for better ranges: the greatest |w| that the
    range of each group of `in / groups` channels need cover. `outliers` is a mark too: which input channels
    stay in floats when the others become integers. None of them changes what is computed.

    Example:

    ```mlir
    %y = ptq.linear %x, %w bias %b {layer = "model.layers.0.mlp.up_proj"}
       : (tensor<1x256x576xf32>, tensor<1536x576xf32>, tensor<1536xf32>) -> tensor<1x256x1536xf32>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, PTQ_FloatMatrix:$weight, Optional<PTQ_FloatVector>:$bias,
                       OptionalAttr<StrAttr>:$layer,
                       OptionalAttr<PTQ_StatisticsAttr>:$statistics,
                       OptionalAttr<PTQ_SchemeAttr>:$weight_scheme,
                       OptionalAttr<PTQ_SchemeAttr>:$activation_scheme,
                       OptionalAttr<ElementsAttr>:$clip,
                       OptionalAttr<PTQ_OutliersAttr>:$outliers);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = [{
    $x `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_WeightOnlyLinearOp : PTQ_Op<"weight_only_linear", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<PTQ_LayerOpInterface, ["getLayerName", "getInFeatures", "getOutFeatures"]>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "a linear layer with a packed integer weight and a float activation";
  let description = [{
    `y[…, n] = Σ_k x[…, k]·w[n, k] + b[n]` with `w[n, k] = (q[n, k] - z[n, g(k)])·s[n, g(k)]`

    The integers `q` are packed along the input channels: row `n` of `weight` is a dense stream of
    `in` codes `q + 2^(bits-1)` of `bits` bits each, least significant bit first, in
    `ceil(in·bits/32)` words; with 3, 5, 6 or 7 bits a code may span two words. (This is the layout of
    compressed-tensors' `pack-quantized`.)

    `scales` is `[out, groups]`, `zero_points`, absent in a symmetric scheme, has the same shape and
    the same signed range as `q`. `groups` is `in/g` for `per_group(g)` and 1 for `per_channel`; for
    `per_tensor` both are `[1, 1]`. `g(k)` is `k / group_size`, or `group_index[k]` where a rounding in
    order of activation has left groups that are not consecutive.

    `sparse` adds a second weight in compressed sparse rows: row `n` of it has `values[j]` in column `columns[j]` for
    `row_offsets[n] ≤ j < row_offsets[n+1]`, columns ascending. There the dense weight is normally 0: these are the
    single weights that a few bits represent badly (SpQR, Dettmers et al., 2023). `w` is the sum of the two.

    Accumulation and the bias are as in `ptq.linear`.

    Example:

    ```mlir
    %y = ptq.weight_only_linear %x, %q, %s
           {layer = "model.layers.0.mlp.up_proj", scheme = #ptq.scheme<bits = 4, symmetric, per_group(64)>}
       : (tensor<1x256x576xf32>, tensor<1536x72xi32>, tensor<1536x9xf32>) -> tensor<1x256x1536xf32>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, 2DTensorOf<[I32]>:$weight, PTQ_FloatMatrix:$scales,
                       Optional<2DTensorOf<[I8]>>:$zero_points,
                       Optional<1DTensorOf<[I32]>>:$group_index,
                       Optional<1DTensorOf<[I32]>>:$row_offsets,
                       Optional<1DTensorOf<[I32]>>:$columns,
                       Optional<PTQ_FloatVector>:$values,
                       Optional<PTQ_FloatVector>:$bias,
                       PTQ_SchemeAttr:$scheme,
                       OptionalAttr<StrAttr>:$layer,
                       OptionalAttr<PTQ_StatisticsAttr>:$statistics);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = [{
    $x `,` $weight `,` $scales (`zero_points` $zero_points^)? (`group_index` $group_index^)?
    (`sparse` `(` $row_offsets^ `,` $columns `,` $values `)`)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_ScaleChannelsOp : PTQ_Op<"scale_channels", [
    AllTypesMatch<["x", "y"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "an activation times a scale for each channel";
  let description = [{
    `y[…, k] = x[…, k]·s[k]`, computed in float32 (float64 if one of the types is) and rounded to the
    result's. The scales are positive. It is what a transformation leaves where no parameter can absorb
    its scales; an operation that quantizes `y` takes them over as its `channel_scales`, at no cost.

    Example:

    ```mlir
    %y = ptq.scale_channels %x, %s : (tensor<1x256x576xf32>, tensor<576xf32>) -> tensor<1x256x576xf32>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, PTQ_FloatVector:$scales);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = "$x `,` $scales attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_QuantizeOp : PTQ_Op<"quantize", [
    AttrSizedOperandSegments,
    AllShapesMatch<["x", "q"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "float to integer with given scales";
  let description = [{
    `q = clamp(round(x·c[k] / s) + z, -2^(bits-1), 2^(bits-1) - 1)`, rounding half to even; NaN becomes `z`.
    `scales` and `zero_points` have the shape that the scheme's granularity gives (see
    `#ptq.scheme`). `channel_scales`, a vector with an element for each index `k` of the last dimension, is 1
    where it is absent. The product and the quotient are each rounded to float32 (float64 if `x`'s type is).
    The result's element type holds at least `bits` bits.

    Example:

    ```mlir
    %q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
       : (tensor<4x64xf32>, tensor<4xf32>) -> tensor<4x64xi8>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, PTQ_FloatTensor:$scales,
                       Optional<PTQ_IntegerTensor>:$zero_points,
                       Optional<PTQ_FloatVector>:$channel_scales, PTQ_SchemeAttr:$scheme);
  let results = (outs PTQ_IntegerTensor:$q);
  let assemblyFormat = [{
    $x `,` $scales (`zero_points` $zero_points^)? (`channel_scales` $channel_scales^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_DequantizeOp : PTQ_Op<"dequantize", [
    AllShapesMatch<["q", "x"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "integer to float with given scales";
  let description = [{
    `x = (q - z)·s`, computed in float32 (float64 if one of the types is) and rounded to the result's. Shapes are as
    in `ptq.quantize`. A dequantize of a quantize is never folded: the error between them is intended.

    Example:

    ```mlir
    %x = ptq.dequantize %q, %s zero_points %z {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
       : (tensor<8x64xi8>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<8x64xf32>
    ```
  }];
  let arguments = (ins PTQ_IntegerTensor:$q, PTQ_FloatTensor:$scales,
                       Optional<PTQ_IntegerTensor>:$zero_points, PTQ_SchemeAttr:$scheme);
  let results = (outs PTQ_FloatTensor:$x);
  let assemblyFormat = [{
    $q `,` $scales (`zero_points` $zero_points^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_ObserveOp : PTQ_Op<"observe", [
    AllTypesMatch<["x", "y"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "a named observation point";
  let description = [{
    Returns its operand. It names a value for tools that watch a run, and holds what one measured of the
    operand's last dimension. `--calibrate` measures the inputs of linear layers, with or without it.

    Example:

    ```mlir
    %y = ptq.observe "keys" %x : tensor<1x8x256x32xf32>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, StrAttr:$name, OptionalAttr<PTQ_StatisticsAttr>:$statistics);
  let results = (outs PTQ_FloatTensor:$y);
  let assemblyFormat = "$name $x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

include "PTQIntegerOps.td"
include "PTQColumnOps.td"
include "PTQLookupOps.td"

#endif
