// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the rounding passes share: their common options.

#ifndef PTQ_PASSES_QUANTIZE_ROUNDINGPASS_H
#define PTQ_PASSES_QUANTIZE_ROUNDINGPASS_H

#include "ptq/Quantize/LayerSelection.h"

namespace ptq {

/// The value of a pass option if the user gave it, on the command line or, as another value than
/// the default, in code.
template <typename T>
std::optional<T> givenValue(const mlir::Pass::Option<T> &option, const T &defaultValue) {
  if (option.getNumOccurrences() || option.getValue() != defaultValue)
    return option.getValue();
  return std::nullopt;
}

inline RoundingOptions makeRoundingOptions(const mlir::Pass::Option<unsigned> &bits,
                                           const mlir::Pass::Option<int64_t> &groupSize,
                                           const mlir::Pass::Option<std::string> &granularity,
                                           const mlir::Pass::Option<bool> &symmetric, bool mse,
                                           const mlir::Pass::Option<std::string> &activations,
                                           std::string only, std::string skip) {
  return {givenValue<unsigned>(bits, 4),
          givenValue<int64_t>(groupSize, 128),
          givenValue<std::string>(granularity, "group"),
          givenValue<bool>(symmetric, true),
          mse,
          givenValue<std::string>(activations, ""),
          std::move(only),
          std::move(skip)};
}

} // namespace ptq

#endif
