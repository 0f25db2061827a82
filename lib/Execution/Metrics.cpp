// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Execution/Metrics.h"

#include "ptq/Numerics/Threads.h"

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

/// Elements that are compared at a time.
static constexpr int64_t blockSize = 1 << 14;

/// Adds elements [first, first + n).
void Comparison::addBlock(const Tensor &value, const Tensor &reference, int64_t first, int64_t n) {
  std::vector<double> y(n), r(n);
  readElements(value, first, y);
  readElements(reference, first, r);
  for (int64_t i = 0; i != n; ++i) {
    // Equal infinities, and two NaNs, are no error.
    bool same = y[i] == r[i] || (std::isnan(y[i]) && std::isnan(r[i]));
    double error = same ? 0 : std::abs(y[i] - r[i]);
    if (!(error <= maxError))
      maxError = std::isnan(maxError) ? maxError : error;
    maxReference = std::max(maxReference, std::abs(r[i]));
    signal += r[i] * r[i];
    square += y[i] * y[i];
    product += y[i] * r[i];
    noise += error * error;
  }
}

void Comparison::merge(const Comparison &other) {
  if (!(other.maxError <= maxError))
    maxError = std::isnan(maxError) ? maxError : other.maxError;
  maxReference = std::max(maxReference, other.maxReference);
  signal += other.signal;
  square += other.square;
  product += other.product;
  noise += other.noise;
}

llvm::Error Comparison::add(const Tensor &value, const Tensor &reference) {
  if (value.type.getShape() != reference.type.getShape())
    return llvm::createStringError("the output is " + toText(value.type) + ", its reference " +
                                   toText(reference.type));
  int64_t total = value.numElements();
  std::vector<Comparison> blocks((total + blockSize - 1) / blockSize);
  numerics::parallelFor(0, total, blockSize, [&](int64_t first, int64_t last) {
    blocks[first / blockSize].addBlock(value, reference, first, last - first);
  });
  for (const Comparison &block : blocks)
    merge(block);
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
  std::vector<double> tokens(ids.numElements()), losses(ids.numElements());
  readElements(ids, 0, tokens);
  for (auto [i, token] : llvm::enumerate(tokens))
    if (token < 0 || token >= vocabulary)
      return llvm::createStringError("token id " + Twine(static_cast<int64_t>(token)) +
                                     " at position " + Twine(i) + " is outside the vocabulary of " +
                                     Twine(vocabulary));
  numerics::parallelFor(0, tokens.size(), 1, [&](int64_t i, int64_t) {
    if (i % positions == positions - 1)
      return;
    std::vector<double> row(vocabulary);
    readElements(logits, i * vocabulary, row);
    double largest = *std::max_element(row.begin(), row.end()), sum = 0;
    for (double logit : row)
      sum += std::exp(logit - largest);
    losses[i] = std::log(sum) + largest - row[static_cast<int64_t>(tokens[i + 1])];
  });
  for (double each : losses)
    loss += each;
  count += tokens.size() / positions * (positions - 1);
  return llvm::Error::success();
}

double Perplexity::value() const {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : std::exp(loss / count);
}

} // namespace ptq::execution
