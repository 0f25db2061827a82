// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear layers in float32, by SGEMM: with a float weight, and with a packed one that is
// dequantized before.

#include "Functions.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/QuantizedWeight.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cblas.h>
#include <limits>
#include <vector>

namespace ptq::runtime {

static constexpr int64_t rowsPerTask = 64;

llvm::Error multiplyFloats(numerics::ConstMatrix x, numerics::ConstMatrix weight, float beta,
                           float *y) {
  if (weight.columns != x.columns)
    return llvm::createStringError("weight has " + llvm::Twine(weight.columns) +
                                   " columns, the activation " + llvm::Twine(x.columns));
  if (std::max({x.rows, x.columns, weight.rows}) > std::numeric_limits<blasint>::max())
    return llvm::createStringError("the matrices are too large for BLAS");
  if (x.rows != 0 && weight.rows != 0 && x.columns != 0)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, x.rows, weight.rows, x.columns, 1.0f,
                x.data, x.columns, weight.data, x.columns, beta, y, weight.rows);
  return llvm::Error::success();
}

/// y = x·Wᵀ + b.
static llvm::Error multiply(numerics::ConstMatrix x, numerics::ConstMatrix weight,
                            const Argument &bias, Allocator allocate) {
  if (llvm::Error error = checkSize("biases", bias, {weight.rows, 0}))
    return error;
  auto *y = static_cast<float *>(allocate(0, {x.rows, weight.rows}));
  llvm::ArrayRef<float> start = bias.as<float>();
  if (x.columns == 0 || !start.empty())
    numerics::parallelFor(0, x.rows, rowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        if (start.empty())
          std::fill_n(y + i * weight.rows, weight.rows, 0.0f);
        else
          std::copy(start.begin(), start.end(), y + i * weight.rows);
    });
  return multiplyFloats(x, weight, start.empty() ? 0.0f : 1.0f, y);
}

llvm::Error linear(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  return multiply(matrixOf<float>(arguments[0]), matrixOf<float>(arguments[1]), arguments[2],
                  allocate);
}

llvm::Error weightOnlyLinear(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  const Argument &words = arguments[1], &scales = arguments[2], &zeroPoints = arguments[3],
                 &groupIndex = arguments[4], &bias = arguments[8];
  numerics::ConstMatrix x = matrixOf<float>(arguments[0]);
  int64_t rows = words.shape[0], columns = x.columns, groups = scales.shape[1];
  int32_t bits = arguments[9].scalar;
  if (llvm::Error error = checkBits(bits, 8))
    return error;
  if (llvm::Error error =
          checkSize("words of the weight", words, {rows * numerics::packedWords(columns, bits)}))
    return error;
  if (groups < 1 || columns % groups != 0)
    return llvm::createStringError(llvm::Twine(groups) + " groups do not divide " +
                                   llvm::Twine(columns) + " columns");
  if (llvm::Error error =
          checkSize("scales", scales, {rows * groups, groups == 1 ? 1 : rows * groups}))
    return error;
  if (llvm::Error error = checkSize("zero points", zeroPoints, {scales.size(), 0}))
    return error;
  if (llvm::Error error = checkSize("group indices", groupIndex, {columns, 0}))
    return error;
  for (int32_t group : groupIndex.as<int32_t>())
    if (group < 0 || group >= groups)
      return llvm::createStringError("group index " + llvm::Twine(group) + " of " +
                                     llvm::Twine(groups) + " groups");
  numerics::QuantizedWeight weight;
  weight.rows = rows;
  weight.columns = columns;
  weight.scheme.bits = bits;
  weight.scheme.symmetric = zeroPoints.size() == 0;
  weight.scheme.granularity = scales.size() != rows * groups ? numerics::Granularity::PerTensor
                              : groups == 1                  ? numerics::Granularity::PerChannel
                                                             : numerics::Granularity::PerGroup;
  weight.scheme.groupSize = columns / groups;
  weight.codes = numerics::unpackCodes(words.as<uint32_t>(), rows, columns, bits);
  weight.scales = scales.as<float>().vec();
  weight.zeroPoints = zeroPoints.as<int8_t>().vec();
  weight.groupIndex = groupIndex.as<int32_t>().vec();
  weight.sparse.rowOffsets = arguments[5].as<int32_t>().vec();
  weight.sparse.columns = arguments[6].as<int32_t>().vec();
  weight.sparse.values = arguments[7].as<float>().vec();
  if (llvm::Error error = numerics::verify(weight.sparse, rows, columns))
    return error;
  std::vector<float> dense(rows * columns);
  numerics::dequantize(weight, numerics::MutableMatrix(dense.data(), rows, columns));
  return multiply(x, numerics::ConstMatrix(dense.data(), rows, columns), bias, allocate);
}

} // namespace ptq::runtime
