// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The attributes of the ptq dialect: how a tensor is quantized, and what was measured of a layer's input.

#ifndef PTQ_ATTRS_TD
#define PTQ_ATTRS_TD

include "PTQDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"

def PTQ_Granularity : I32EnumAttr<"Granularity", "which elements share a scale", [
    I32EnumAttrCase<"PerTensor", 0, "per_tensor">,
    I32EnumAttrCase<"PerChannel", 1, "per_channel">,
    I32EnumAttrCase<"PerToken", 2, "per_token">,
    I32EnumAttrCase<"PerGroup", 3, "per_group">]> {
  let cppNamespace = "::ptq";
}

class PTQ_Attr<string name, string mnemonicName> : AttrDef<PTQ_Dialect, name> {
  let mnemonic = mnemonicName;
}

def PTQ_SchemeAttr : PTQ_Attr<"Scheme", "scheme"> {
  let summary = "how a tensor is represented by integers";
  let description = [{
    A value `v` is represented by the integer `q` with `v = (q - z) * s`, where
    `-2^(bits-1) <= q < 2^(bits-1)`. In a symmetric scheme `z` is 0 everywhere.

    The granularity says which elements share `s` and `z`:

    | granularity      | shares                                           | shape of the scales        |
    |------------------|--------------------------------------------------|----------------------------|
    | `per_tensor`     | all elements                                     | `[1]`                      |
    | `per_channel`    | a row: all elements with the same first index    | `[d0]`                     |
    | `per_token`      | all elements with the same leading indices       | `[d0, …, d(r-2)]`          |
    | `per_group(g)`   | `g` consecutive elements of the last dimension   | `[d0, …, d(r-2), d(r-1)/g]`|

    `dynamic` means that scales are computed from the tensor at run time; without it they are known
    constants.

    Example:

    ```mlir
    #ptq.scheme<bits = 4, symmetric, per_group(64)>
    #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>
    ```
  }];
  let parameters = (ins "unsigned":$bits, "bool":$symmetric, "::ptq::Granularity":$granularity,
                        "int64_t":$groupSize, "bool":$dynamic);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The number of groups in a row of `columns` elements: 1 unless the granularity is per group.
    int64_t getGroupsPerRow(int64_t columns) const;
    /// The least integer of the scheme, -2^(bits-1).
    int64_t getMinimum() const { return -(int64_t(1) << (getBits() - 1)); }
    /// The greatest integer of the scheme, 2^(bits-1) - 1.
    int64_t getMaximum() const { return (int64_t(1) << (getBits() - 1)) - 1; }
  }];
}

def PTQ_StatisticsAttr : PTQ_Attr<"Statistics", "statistics"> {
  let summary = "what calibration measured of a layer's input";
  let description = [{
    Per-channel statistics of a linear layer's input over all calibration tokens: the greatest
    absolute value and the mean absolute value of each input channel, both float32 of shape `[in]`,
    in the input's own unit. Layers that share an input share the two element attributes.

    `divisor`, float32 `[in]`, is the product of all per-channel scales that a transformation has
    divided the input by since it was observed. `absmax` and `mean_abs` are divided already; a Gram
    matrix that was stored then is not: the input's own is `G[i, j] / (divisor[i]·divisor[j])`.

    Example:

    ```mlir
    #ptq.statistics<tokens = 4096, absmax = dense<[1.0, 2.5]> : tensor<2xf32>,
                    mean_abs = dense<[0.25, 0.5]> : tensor<2xf32>>
    ```
  }];
  let parameters = (ins "int64_t":$tokens, "::mlir::ElementsAttr":$absmax, "::mlir::ElementsAttr":$mean_abs,
                        OptionalParameter<"::mlir::ElementsAttr">:$divisor);
  let builders = [AttrBuilder<
      (ins "int64_t":$tokens, "::mlir::ElementsAttr":$absmax, "::mlir::ElementsAttr":$mean_abs),
      [{ return $_get($_ctxt, tokens, absmax, mean_abs, ::mlir::ElementsAttr()); }]>];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def PTQ_OutliersAttr : PTQ_Attr<"Outliers", "outliers"> {
  let summary = "which input channels of a layer stay in floats when the others become integers";
  let description = [{
    A mark for the rounding pass (LLM.int8(), Dettmers et al., 2022). Columns, input channels in which a value of
    `|x| ≥ threshold` is met, are multiplied in floats. Static: these are `columns`, ascending, known from
    calibration. `dynamic`: they are found in each call, and `columns` are those that calibration met, for rounding to
    leave aside. With `dequantized` their weights are the rounded ones, else the original ones.

    Example:

    ```mlir
    #ptq.outliers<threshold = 6.0 : f64, dynamic = false, dequantized = false, columns = [3, 17]>
    ```
  }];
  let parameters = (ins "::mlir::FloatAttr":$threshold, "bool":$dynamic, "bool":$dequantized,
                        "::mlir::DenseI32ArrayAttr":$columns);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif
