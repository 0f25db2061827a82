// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all forms of a linear layer have in common.

#ifndef PTQ_INTERFACES_TD
#define PTQ_INTERFACES_TD

include "mlir/IR/OpBase.td"

def PTQ_LayerOpInterface : OpInterface<"LayerOpInterface"> {
  let cppNamespace = "::ptq";
  let description = [{
    An operation that computes y = x·Wᵀ + b for a weight W of shape [out, in], however W is
    represented. The input is `[…, in]`, the result `[…, out]`.
  }];
  let methods = [
    InterfaceMethod<"The layer's name in the model, or an empty string.", "::llvm::StringRef",
                    "getLayerName">,
    InterfaceMethod<"The activation, [..., in]: floats, or the integers that stand for them.",
                    "::mlir::TypedValue<::mlir::RankedTensorType>", "getX">,
    InterfaceMethod<"The bias, [out], or null.",
                    "::mlir::TypedValue<::mlir::RankedTensorType>", "getBias">,
    InterfaceMethod<"The number of input channels.", "int64_t", "getInFeatures">,
    InterfaceMethod<"The number of output channels.", "int64_t", "getOutFeatures">,
  ];
}

#endif
