// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far an output is from its reference, and how well logits predict a text.
//
#ifndef PTQ_EXECUTION_METRICS_H
#define PTQ_EXECUTION_METRICS_H

#include "ptq/Execution/Tensor.h"

namespace ptq::execution {

/// Accumulates the differences between values y and their references r, in float64.
class Comparison {
public:
  /// Adds all elements of a pair of tensors. Error: shapes differ.
  llvm::Error add(const Tensor &value, const Tensor &reference);

  /// 10·log10(Σr² / Σ(y−r)²): signal to quantization noise, in dB; infinite without noise.
  double sqnr() const;
  /// Σyr / √(Σy²·Σr²); 1 if both are zero.
  double cosine() const;
  /// max |y − r|; NaN if an element is NaN on one side only.
  double maxAbsError() const { return maxError; }
  /// max |y − r| / max |r|; the former alone if all references are 0.
  double relativeMaxError() const;

private:
  void addBlock(const Tensor &value, const Tensor &reference, int64_t first, int64_t n);
  void merge(const Comparison &other);

  double signal = 0, noise = 0, product = 0, square = 0, maxError = 0, maxReference = 0;
};

/// exp of the mean negative log-likelihood of the next token.
class Perplexity {
public:
  /// Adds a sample: `logits` [..., S, vocabulary], float; `ids` [..., S], integer. Position i
  /// predicts token i + 1, for i in 0 … S−2. Errors: shapes that do not fit, S < 2, an id outside
  /// the vocabulary.
  llvm::Error add(const Tensor &logits, const Tensor &ids);

  /// NaN before the first sample.
  double value() const;
  int64_t tokens() const { return count; }

private:
  double loss = 0;
  int64_t count = 0;
};

} // namespace ptq::execution

#endif // PTQ_EXECUTION_METRICS_H
