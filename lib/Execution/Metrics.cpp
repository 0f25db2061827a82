// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Execution/Metrics.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>
#include <vector>

using namespace mlir;

namespace ptq::execution {

static std::string toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// Elements [first, first + to.size()) as float64.
static void readElements(const Tensor &tensor, int64_t first, MutableArrayRef<double> to) {
  Type type = tensor.type.getElementType();
  int64_t width = *elementBytes(type);
  const char *from = tensor.data + first * width;
  if (isa<FloatType>(type)) {
    if (type.isF64()) {
      memcpy(to.data(), from, to.size() * sizeof(double));
      return;
    }
    std::vector<float> values(to.size());
    convertToFloat({RankedTensorType::get({static_cast<int64_t>(to.size())}, type), from, nullptr},
                   values);
    llvm::copy(values, to.begin());
    return;
  }
  unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  bool isSigned = bits > 1 && !type.isUnsignedInteger();
  for (double &value : to) {
    uint64_t raw = 0;
    memcpy(&raw, from, width);
    from += width;
    value =
        isSigned ? static_cast<double>(llvm::SignExtend64(raw, bits)) : static_cast<double>(raw);
  }
}

llvm::Error Comparison::add(const Tensor &value, const Tensor &reference) {
  if (value.type.getShape() != reference.type.getShape())
    return llvm::createStringError("the output is " + toText(value.type) + ", its reference " +
                                   toText(reference.type));
  constexpr int64_t block = 4096;
  std::vector<double> y(block), r(block);
  for (int64_t first = 0, total = value.numElements(); first < total; first += block) {
    int64_t n = std::min(block, total - first);
    readElements(value, first, MutableArrayRef(y).take_front(n));
    readElements(reference, first, MutableArrayRef(r).take_front(n));
    for (int64_t i = 0; i != n; ++i) {
      // Equal infinities, and two NaNs, are no error.
      double error =
          y[i] == r[i] || (std::isnan(y[i]) && std::isnan(r[i])) ? 0 : std::abs(y[i] - r[i]);
      if (!(error <= maxError))
        maxError = std::isnan(maxError) ? maxError : error;
      maxReference = std::max(maxReference, std::abs(r[i]));
      signal += r[i] * r[i];
      square += y[i] * y[i];
      product += y[i] * r[i];
      noise += error * error;
    }
  }
  return llvm::Error::success();
}

double Comparison::sqnr() const {
  return noise == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal / noise);
}

double Comparison::cosine() const {
  if (signal == 0 && square == 0)
    return 1;
  return product / std::sqrt(signal * square);
}

double Comparison::relativeMaxError() const {
  return maxReference == 0 ? maxError : maxError / maxReference;
}

llvm::Error Perplexity::add(const Tensor &logits, const Tensor &ids) {
  ArrayRef<int64_t> shape = logits.type.getShape();
  if (shape.size() < 2 || !isa<FloatType>(logits.type.getElementType()))
    return llvm::createStringError(
        "perplexity needs float logits [..., positions, vocabulary], the output is " +
        toText(logits.type));
  int64_t positions = shape[shape.size() - 2], vocabulary = shape.back();
  if (!ids.type.getElementType().isIntOrIndex() || ids.type.getRank() == 0 ||
      ids.type.getShape().back() != positions ||
      ids.numElements() * vocabulary != logits.numElements())
    return llvm::createStringError(
        "perplexity needs one token id for each position of the logits " + toText(logits.type) +
        ", the ids are " + toText(ids.type));
  if (positions < 2)
    return llvm::createStringError(
        "perplexity needs at least 2 positions: the last one predicts nothing");
  std::vector<double> tokens(ids.numElements()), row(vocabulary);
  readElements(ids, 0, tokens);
  for (auto [i, token] : llvm::enumerate(tokens))
    if (token < 0 || token >= vocabulary)
      return llvm::createStringError("token id " + Twine(static_cast<int64_t>(token)) +
                                     " at position " + Twine(i) + " is outside the vocabulary of " +
                                     Twine(vocabulary));
  for (int64_t i = 0; i != static_cast<int64_t>(tokens.size()); ++i) {
    if (i % positions == positions - 1)
      continue;
    readElements(logits, i * vocabulary, row);
    double largest = *std::max_element(row.begin(), row.end()), sum = 0;
    for (double logit : row)
      sum += std::exp(logit - largest);
    loss += std::log(sum) + largest - row[static_cast<int64_t>(tokens[i + 1])];
    ++count;
  }
  return llvm::Error::success();
}

double Perplexity::value() const {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : std::exp(loss / count);
}

} // namespace ptq::execution
