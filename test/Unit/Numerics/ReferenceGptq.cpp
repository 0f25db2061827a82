// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The textbook's GPTQ.

#include "ReferenceGptq.h"
#include "ptq/Numerics/Codebook.h"
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace ptq::numerics::test {
namespace {

using Matrix = std::vector<std::vector<double>>;

/// Lower Cholesky factor of a positive definite matrix.
Matrix cholesky(const Matrix &a) {
  size_t n = a.size();
  Matrix l(n, std::vector<double>(n, 0.0));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (size_t k = 0; k < j; ++k)
        sum -= l[i][k] * l[j][k];
      l[i][j] = i == j ? std::sqrt(sum) : sum / l[j][j];
    }
  return l;
}

/// a^-1 by solving L L^T x = e for every unit vector e.
Matrix inverse(const Matrix &a) {
  size_t n = a.size();
  Matrix l = cholesky(a), result(n, std::vector<double>(n, 0.0));
  for (size_t c = 0; c < n; ++c) {
    std::vector<double> x(n, 0.0);
    x[c] = 1.0;
    for (size_t i = c; i < n; ++i) {
      for (size_t k = c; k < i; ++k)
        x[i] -= l[i][k] * x[k];
      x[i] /= l[i][i];
    }
    for (size_t i = n; i-- > 0;) {
      x[i] /= l[i][i];
      for (size_t k = 0; k < i; ++k)
        x[k] -= l[i][k] * x[i];
    }
    for (size_t i = 0; i < n; ++i)
      result[i][c] = x[i];
  }
  return result;
}

Matrix dampedGram(const ReferenceProblem &p) {
  int64_t n = p.columns;
  Matrix h(n, std::vector<double>(n));
  double mean = 0;
  int64_t live = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j)
      h[i][j] = p.gram[std::min(i, j) * n + std::max(i, j)];
    mean += h[i][i];
    live += h[i][i] != 0;
  }
  mean /= live;
  for (int64_t i = 0; i < n; ++i)
    h[i][i] = (h[i][i] == 0 ? mean : h[i][i]) + p.damping * mean;
  return h;
}

std::vector<int> columnOrder(const ReferenceProblem &p) {
  int64_t n = p.columns;
  std::vector<int> order(n);
  std::vector<double> diagonal(n), groupMax(n);
  int64_t size = p.scheme.granularity == Granularity::PerGroup ? p.scheme.groupSize : n;
  for (int64_t j = 0; j < n; ++j) {
    order[j] = j;
    diagonal[j] = p.gram[j * n + j];
  }
  for (int64_t j = 0; j < n; ++j)
    groupMax[j] = *std::max_element(diagonal.begin() + j / size * size,
                                    diagonal.begin() + (j / size + 1) * size);
  if (p.order == ColumnOrder::Activation)
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      return diagonal[a] != diagonal[b] ? diagonal[a] > diagonal[b] : a < b;
    });
  if (p.order == ColumnOrder::GroupAware)
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      if (a / size == b / size)
        return diagonal[a] != diagonal[b] ? diagonal[a] > diagonal[b] : a < b;
      return groupMax[a] != groupMax[b] ? groupMax[a] > groupMax[b] : a / size < b / size;
    });
  return order;
}

struct Parameters {
  double scale;
  int zeroPoint; // unsigned
  double margin;
};

double tieDistance(double x) { return std::fabs(std::fabs(x - std::floor(x)) - 0.5); }

struct Rounded {
  int code; // unsigned
  double value, margin;
};

/// x to the nearest code.
Rounded roundTo(double x, const Parameters &p, const WeightScheme &scheme) {
  x /= p.scale;
  if (scheme.codebook != Codebook::Uniform) {
    llvm::ArrayRef<float> table = codebookEntries(scheme.codebook);
    int best = 0;
    double nearest = std::fabs(x - table[0]), second = std::numeric_limits<double>::infinity();
    for (int i = 1; i < int(table.size()); ++i) {
      double distance = std::fabs(x - table[i]);
      second = std::min(second, std::max(distance, nearest));
      if (distance < nearest) {
        nearest = distance;
        best = i;
      }
    }
    return {best, table[best] * p.scale, second - nearest};
  }
  int levels = (1 << scheme.bits) - 1;
  double code = std::nearbyint(x) + p.zeroPoint;
  double margin = code > -0.5 && code < levels + 0.5 ? tieDistance(x) : 0.5;
  code = std::min(std::max(code, 0.0), double(levels));
  return {int(code), (code - p.zeroPoint) * p.scale, margin};
}

Parameters parametersOf(std::vector<double> values, const WeightScheme &scheme) {
  int levels = (1 << scheme.bits) - 1;
  double lo = std::min(0.0, *std::min_element(values.begin(), values.end()));
  double hi = std::max(0.0, *std::max_element(values.begin(), values.end()));
  if (scheme.symmetric) {
    hi = std::max(hi, -lo);
    lo = -hi;
  }
  if (lo == hi) {
    lo = -1;
    hi = 1;
  }
  auto make = [&](double shrink) {
    Parameters p;
    bool restricted = scheme.symmetric && scheme.symmetricRange == SymmetricRange::Restricted;
    p.scale = (hi - lo) * shrink / (restricted ? levels - 1 : levels);
    if (scheme.codebook != Codebook::Uniform)
      p.scale = hi * shrink;
    double z = -lo * shrink / p.scale;
    p.zeroPoint = scheme.symmetric ? (levels + 1) / 2 : int(std::nearbyint(z));
    p.margin = scheme.symmetric ? 0.5 : tieDistance(z);
    return p;
  };
  if (!scheme.mse)
    return make(1);
  Parameters best{};
  double bestLoss = std::numeric_limits<double>::infinity(), second = bestLoss;
  for (int i = 0; i < 80; ++i) {
    Parameters candidate = make(1 - i / 100.0);
    double loss = 0;
    for (double x : values)
      loss += std::pow(std::fabs(roundTo(x, candidate, scheme).value - x), 2.4);
    if (loss < bestLoss) {
      second = bestLoss;
      bestLoss = loss;
      best = candidate;
    } else {
      second = std::min(second, loss);
    }
  }
  if (second < bestLoss * (1 + 1e-4))
    best.margin = 0;
  return best;
}

} // namespace

ReferenceResult referenceGptq(const ReferenceProblem &p) {
  int64_t n = p.columns, rows = p.rows;
  bool perGroup = p.scheme.granularity == Granularity::PerGroup;
  bool perTensor = p.scheme.granularity == Granularity::PerTensor;
  int64_t size = perGroup ? p.scheme.groupSize : n, groups = n / size;
  bool live = perGroup && !p.staticGroups;
  int half = 1 << (p.scheme.bits - 1);

  std::vector<int> order = columnOrder(p);
  Matrix h = dampedGram(p), permuted(n, std::vector<double>(n));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      permuted[i][j] = h[order[i]][order[j]];
  // H^-1 = L L^T = U^T U.
  Matrix l = cholesky(inverse(permuted)), u(n, std::vector<double>(n, 0.0));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      u[i][j] = p.transposeU ? l[i][j] : l[j][i];

  Matrix w(rows, std::vector<double>(n));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; ++i)
      w[r][i] = p.gram[int64_t(order[i]) * n + order[i]] == 0 ? 0.0 : p.w[r * n + order[i]];
  Matrix original = w;

  ReferenceResult result;
  result.codes.resize(rows * n);
  result.values.resize(rows * n);
  result.margins.assign(rows, 0.5);
  result.scales.resize(rows * groups);
  result.zeroPoints.resize(rows * groups);
  result.groupIndex.resize(n);
  auto groupOf = [&](int64_t position) -> int64_t {
    if (!perGroup)
      return 0;
    if (live && p.order == ColumnOrder::Activation)
      return position / size;
    return order[position] / size;
  };
  for (int64_t i = 0; i < n; ++i)
    result.groupIndex[order[i]] = static_cast<int>(groupOf(i));

  Parameters tensor{};
  if (perTensor) {
    std::vector<double> all;
    for (auto &row : w)
      all.insert(all.end(), row.begin(), row.end());
    tensor = parametersOf(all, p.scheme);
  }
  std::vector<double> mDifference(rows * n);
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<double> &row = w[r];
    std::vector<double> outer = row; // updated at the ends of blocks
    std::vector<Parameters> parameters(groups);
    auto take = [&](int64_t group, std::vector<double> values) {
      parameters[group] = parametersOf(std::move(values), p.scheme);
      result.margins[r] = std::min(result.margins[r], parameters[group].margin);
    };
    if (perTensor)
      parameters[0] = tensor;
    else if (!live)
      for (int64_t g = 0; g < groups; ++g) {
        std::vector<double> values;
        for (int64_t i = 0; i < n; ++i)
          if (groupOf(i) == g)
            values.push_back(row[i]);
        take(g, values);
      }
    for (int64_t i = 0; i < n; ++i) {
      if (p.blockSize && i % p.blockSize == 0)
        outer = row;
      if (live && i % size == 0) {
        const std::vector<double> &from = p.blockSize ? outer : row;
        take(groupOf(i), std::vector<double>(from.begin() + i, from.begin() + i + size));
      }
      const Parameters &q = parameters[groupOf(i)];
      Rounded rounded = roundTo(row[i], q, p.scheme);
      result.margins[r] = std::min(result.margins[r], rounded.margin);
      double value = rounded.value;
      result.codes[r * n + order[i]] = rounded.code - half;
      result.values[r * n + order[i]] = value;
      mDifference[r * n + order[i]] = original[r][i] - value;
      double error = (row[i] - value) / u[i][i];
      for (int64_t j = i; j < n; ++j)
        row[j] -= error * u[i][j];
    }
    for (int64_t g = 0; g < groups; ++g) {
      result.scales[r * groups + g] = parameters[g].scale;
      result.zeroPoints[r * groups + g] = parameters[g].zeroPoint - half;
    }
  }
  result.loss = referenceOutputNorm(p, mDifference);
  return result;
}

double referenceOutputNorm(const ReferenceProblem &p, const std::vector<double> &m) {
  int64_t n = p.columns, rows = static_cast<int64_t>(m.size()) / n;
  Matrix h = dampedGram(p);
  double total = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        total += m[r * n + i] * h[i][j] * m[r * n + j];
  return total;
}

} // namespace ptq::numerics::test
