// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The factor GPTQ works with: H = R R^T, R upper triangular, where H is the Gram matrix of a
// layer's input with its columns put in rounding order and its diagonal damped. R depends on the
// input alone: layers that share an input share it.
//
// R is found without an inverse: reversing the order of H's rows and columns, taking the Cholesky
// factor L of that (lower triangular), and reversing L. The textbook's U = chol(H^-1, upper) is
// R^-1.

#ifndef PTQ_NUMERICS_GRAMFACTOR_H
#define PTQ_NUMERICS_GRAMFACTOR_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace ptq::numerics {

/// The order in which GPTQ rounds columns. Important columns (a large diagonal of H) come first,
/// while there are still many others to make up for their rounding errors.
enum class ColumnOrder {
  None,       ///< As they are.
  Activation, ///< By diagonal, descending ("act-order"). Live group scales then need a group index
              ///< at run time (QuantizedWeight::groupIndex); static groups do not.
  GroupAware, ///< Groups by their largest diagonal, descending; inside a group by diagonal,
              ///< descending. Groups stay consecutive columns: nothing is needed at run time.
};

struct FactorOptions {
  /// damping * mean(diag H) is added to the diagonal. >= 0.
  float damping = 0.05f;
  ColumnOrder order = ColumnOrder::GroupAware;
  /// For GroupAware: the scheme's group size, or 0 when a row is one group (per channel, per
  /// tensor). Divides the number of columns.
  int64_t groupSize = 128;
};

struct GramFactor {
  int64_t columns = 0;
  /// [columns, columns], row-major, upper triangular with zeros below and a positive diagonal:
  /// (R R^T)[i, j] = H[permutation[i], permutation[j]] (damped).
  std::vector<float> r;
  /// [columns]: the original column that is rounded at each position.
  std::vector<int32_t> permutation;
  /// [columns], by original column: 1 where H's diagonal is zero, that is, the input always was.
  std::vector<uint8_t> dead;
  ColumnOrder order = ColumnOrder::None;
  int64_t groupSize = 0; ///< FactorOptions::groupSize, for GroupAware; else 0.
  float damping = 0;     ///< The one used.
  unsigned retries = 0;  ///< How often it was raised.
  std::string warning;   ///< Says so; empty when all is well.
};

/// The columns' rounding order for a diagonal; ties keep the columns' order.
/// groupSize is read for GroupAware, where 0 means one group.
std::vector<int32_t> computeColumnOrder(const std::vector<float> &diagonal, ColumnOrder order,
                                        int64_t groupSize);

/// Factors a Gram matrix [columns, columns], row-major, of which the upper triangle is read; its
/// storage is consumed. columns^3 / 3 flops.
///
/// Dead columns (zero diagonal) get the mean diagonal of the live ones, which is also what damping
/// is relative to. Where the matrix is not numerically positive definite the damping is raised by
/// 0.01 and the factorization repeated, up to a damping of 1; `warning` tells.
///
/// Errors: a size that does not fit, a group size that does not divide the columns, a NaN, infinity
/// or negative value where none can be, a matrix of zeros (the layer saw no input; zeroing
/// all its weights would be wrong), no positive definite matrix up to damping 1. The caller's
/// answer to the last two is rounding to nearest, with a warning.
llvm::Expected<GramFactor> factorGram(std::vector<float> gram, int64_t columns,
                                      const FactorOptions &options);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_GRAMFACTOR_H
