// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of integers with scales:
//
//   y[m, n] = (Σ_g float(Σ_{k in g} (x[m, k] − z[m])·w[n, k])·s_w[n, g])·s_x[m]
//             + Σ_j x_o[m, j]·w_o[n, j] + b[n]
//
// The inner sum is Σ x·w − z·Σ w, exact in 32 bits; the rest is in float32 in the order written,
// each operation rounded. A block of rows at a time, so that sums and results stay in the cache;
// the columns that stay in floats are one product of all rows after it.

#include "Functions.h"
#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <vector>

namespace ptq::runtime {

/// Sums of this many elements are held at a time.
static constexpr int64_t blockElements = 1 << 21;
static constexpr int64_t rowsPerTask = 16;

namespace {
/// x [M, K] with scales and zero points for each row or for all; no zero points are zeros.
struct Left {
  numerics::MatrixRef<const int8_t> codes;
  llvm::ArrayRef<float> scales;
  llvm::ArrayRef<int8_t> zeroPoints;

  float scale(int64_t m) const { return scales[scales.size() == 1 ? 0 : m]; }
  int32_t zeroPoint(int64_t m) const {
    return zeroPoints.empty() ? 0 : zeroPoints[zeroPoints.size() == 1 ? 0 : m];
  }
};

/// w [N, K] with scales for each row and group, or one for all.
struct Right {
  numerics::MatrixRef<const int8_t> codes;
  llvm::ArrayRef<float> scales;
  int64_t groups;

  int64_t width() const { return codes.columns / groups; }
  numerics::MatrixRef<const int8_t> group(int64_t g) const {
    return {codes.data + g * width(), codes.rows, width(), codes.stride};
  }
};
} // namespace

/// The scales of group g, one for each row of w; in `storage` unless they lie side by side.
static const float *scalesOf(const Right &w, int64_t g, std::vector<float> &storage) {
  int64_t rows = w.codes.rows;
  if (w.groups == 1 && static_cast<int64_t>(w.scales.size()) == rows)
    return w.scales.data();
  storage.resize(rows);
  for (int64_t n = 0; n < rows; ++n)
    storage[n] = w.scales[w.scales.size() == 1 ? 0 : n * w.groups + g];
  return storage.data();
}

static void multiply(const Left &x, const Right &w, float *y) {
  int64_t rows = x.codes.rows, columns = w.codes.rows;
  if (rows == 0 || columns == 0)
    return;
  int64_t step = std::clamp<int64_t>(blockElements / columns, 1, rows);
  std::vector<int32_t> sums(step * columns), weightSums(x.zeroPoints.empty() ? 0 : columns);
  std::vector<float> storage;
  // What groups add up to, rounded once.
  std::vector<double> totals(w.groups > 1 ? rows * columns : 0);
  for (int64_t g = 0; g < w.groups; ++g) {
    numerics::MatrixRef<const int8_t> part = w.group(g);
    const float *scales = scalesOf(w, g, storage);
    for (int64_t n = 0; n < static_cast<int64_t>(weightSums.size()); ++n) {
      weightSums[n] = 0;
      for (int64_t k = 0; k < part.columns; ++k)
        weightSums[n] += part(n, k);
    }
    for (int64_t first = 0; first < rows; first += step) {
      numerics::MatrixRef<const int8_t> block =
          x.codes.rowRange(first, std::min(rows, first + step));
      block.data += g * w.width();
      block.columns = w.width();
      numerics::multiplyInt8(block, part, {sums.data(), block.rows, columns});
      numerics::parallelFor(0, block.rows, rowsPerTask, [&](int64_t begin, int64_t end) {
        for (int64_t m = begin; m < end; ++m) {
          int32_t *row = sums.data() + m * columns;
          float *to = y + (first + m) * columns;
          // Modulo 2^32, as all sums are.
          if (uint32_t z = x.zeroPoint(first + m))
            for (int64_t n = 0; n < columns; ++n)
              row[n] = static_cast<int32_t>(static_cast<uint32_t>(row[n]) -
                                            z * static_cast<uint32_t>(weightSums[n]));
          for (int64_t n = 0; n < columns; ++n)
            to[n] = static_cast<float>(row[n]) * scales[n];
          if (w.groups > 1) {
            double *total = totals.data() + (first + m) * columns;
            for (int64_t n = 0; n < columns; ++n)
              to[n] = total[n] += to[n];
          }
          if (g + 1 != w.groups)
            continue;
          float scale = x.scale(first + m);
          for (int64_t n = 0; n < columns; ++n)
            to[n] *= scale;
        }
      });
    }
  }
}

/// y [rows, bias.size()] += b, if there is one.
static void addBias(float *y, int64_t rows, llvm::ArrayRef<float> bias) {
  if (bias.empty())
    return;
  numerics::parallelFor(0, rows, rowsPerTask, [&](int64_t begin, int64_t end) {
    for (float *row = y + begin * bias.size(); begin < end; ++begin, row += bias.size())
      for (size_t n = 0; n < bias.size(); ++n)
        row[n] += bias[n];
  });
}

/// A sum of `depth` products must fit in 32 bits.
static llvm::Error checkDepth(int64_t depth) {
  if (depth <= numerics::kMaxInt8Depth)
    return llvm::Error::success();
  return llvm::createStringError("sums of " + llvm::Twine(depth) +
                                 " products overflow 32 bits; at most " +
                                 llvm::Twine(numerics::kMaxInt8Depth) + " are summed exactly");
}

/// integer_linear with the weight's codes [N, K] at `weight`.
static llvm::Error integerLinear(llvm::ArrayRef<Argument> arguments,
                                 numerics::MatrixRef<const int8_t> weight, Allocator allocate) {
  const Argument &scales = arguments[1], &zeroPoints = arguments[2], &weightScales = arguments[4],
                 &outliers = arguments[5], &weightOutliers = arguments[6], &bias = arguments[7];
  numerics::MatrixRef<const int8_t> x = matrixOf<int8_t>(arguments[0]);
  if (weight.columns != x.columns)
    return llvm::createStringError("weight has " + llvm::Twine(weight.columns) +
                                   " columns, the activation " + llvm::Twine(x.columns));
  int64_t groups = weightScales.shape[1];
  if (groups < 1 || x.columns % groups != 0)
    return llvm::createStringError(llvm::Twine(groups) + " groups do not divide " +
                                   llvm::Twine(x.columns) + " columns");
  if (llvm::Error error = checkDepth(x.columns / groups))
    return error;
  if (llvm::Error error = checkSize("scales", scales, {x.rows, 1}))
    return error;
  if (llvm::Error error = checkSize("zero points", zeroPoints, {scales.size(), 0}))
    return error;
  int64_t allScales = weight.rows * groups;
  if (llvm::Error error =
          checkSize("weight scales", weightScales, {allScales, groups == 1 ? 1 : allScales}))
    return error;
  if (llvm::Error error = checkSize("biases", bias, {weight.rows, 0}))
    return error;
  int64_t wide = weightOutliers.shape[1];
  if (outliers.shape[1] != wide)
    return llvm::createStringError("weight has " + llvm::Twine(wide) +
                                   " outlier columns, the activation " +
                                   llvm::Twine(outliers.shape[1]));
  if (llvm::Error error = checkSize("outliers", outliers, {x.rows * wide}))
    return error;
  if (llvm::Error error = checkSize("outliers of the weight", weightOutliers, {weight.rows * wide}))
    return error;
  auto *y = static_cast<float *>(allocate(0, {x.rows, weight.rows}));
  multiply({x, scales.as<float>(), zeroPoints.as<int8_t>()},
           {weight, weightScales.as<float>(), groups}, y);
  if (wide != 0)
    if (llvm::Error error =
            multiplyFloats(matrixOf<float>(outliers), matrixOf<float>(weightOutliers), 1, y))
      return error;
  addBias(y, x.rows, bias.as<float>());
  return llvm::Error::success();
}

llvm::Error integerLinear(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  return integerLinear(arguments, matrixOf<int8_t>(arguments[3]), allocate);
}

llvm::Error integerLinearPacked(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  int64_t rows = arguments[3].shape[0], columns = arguments[0].shape[1];
  int32_t bits = arguments[8].scalar;
  if (llvm::Error error = checkBits(bits, 7))
    return error;
  if (llvm::Error error = checkSize("words of the weight", arguments[3],
                                    {rows * numerics::packedWords(columns, bits)}))
    return error;
  std::vector<int8_t> codes =
      numerics::unpackCodes(arguments[3].as<uint32_t>(), rows, columns, bits);
  return integerLinear(arguments, {codes.data(), rows, columns}, allocate);
}

llvm::Error integerBatchMatmul(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  const Argument &a = arguments[0], &b = arguments[2];
  int64_t batch = a.shape[0], m = a.shape[1], n = b.shape[1], k = a.shape[2];
  if (b.shape[0] != batch || b.shape[2] != k)
    return llvm::createStringError("operands are of different batches or depths");
  if (llvm::Error error = checkDepth(k))
    return error;
  if (llvm::Error error = checkSize("scales of a", arguments[1], {batch * m, 1}))
    return error;
  if (llvm::Error error = checkSize("scales of b", arguments[3], {batch * n, 1}))
    return error;
  auto *y = static_cast<float *>(allocate(0, {batch, m, n}));
  auto part = [](llvm::ArrayRef<float> scales, int64_t i, int64_t rows) {
    return scales.size() == 1 ? scales : scales.slice(i * rows, rows);
  };
  numerics::parallelFor(0, batch, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      multiply(
          {{a.as<int8_t>().data() + i * m * k, m, k}, part(arguments[1].as<float>(), i, m), {}},
          {{b.as<int8_t>().data() + i * n * k, n, k}, part(arguments[3].as<float>(), i, n), 1},
          y + i * m * n);
  });
  return llvm::Error::success();
}

} // namespace ptq::runtime
