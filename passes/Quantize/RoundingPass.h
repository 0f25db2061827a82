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

/// A share given as "0.5%" or "0.005"; an error unless it is between 0 and `greatest`.
inline llvm::Expected<double> parseShare(llvm::StringRef text, llvm::StringRef option,
                                         double greatest) {
  llvm::StringRef number = text;
  bool percent = number.consume_back("%");
  double value = 0;
  if (number.getAsDouble(value) || !(value >= 0 && value <= (percent ? 100 : 1) * greatest))
    return llvm::createStringError(option + " is a share of at most " +
                                   llvm::Twine(static_cast<int>(greatest * 100)) +
                                   "%, as in 0.5% or 0.005, not '" + text + "'");
  return percent ? value / 100 : value;
}

/// A rounding pass: its generated base, with the options that all of them have put together.
template <typename BaseT> class RoundingPass : public BaseT {
public:
  using BaseT::BaseT;

protected:
  RoundingOptions roundingOptions() const {
    RoundingOptions options;
    options.bits = givenValue<unsigned>(this->bits, 4);
    options.groupSize = givenValue<int64_t>(this->groupSize, 128);
    options.granularity = givenValue<std::string>(this->granularity, "group");
    options.symmetric = givenValue<bool>(this->symmetric, true);
    options.mse = this->mse;
    options.activations = givenValue<std::string>(this->activations, "");
    options.progressive = this->progressive;
    options.only = this->only;
    options.skip = this->skip;
    options.type = givenValue<std::string>(this->type, "int");
    options.doubleQuantization = this->doubleQuantization;
    options.markedOnly = this->markedOnly;
    options.scaleType = this->scaleType;
    return options;
  }
};

} // namespace ptq

#endif
