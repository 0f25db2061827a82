// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ as the paper writes it, in double and without blocking: U = chol(H^-1, upper), and after
// column i is rounded, W[:, j] -= (w - q) / U[i, i] * U[i, j] for all later columns j.

#ifndef PTQ_TEST_UNIT_NUMERICS_REFERENCEGPTQ_H
#define PTQ_TEST_UNIT_NUMERICS_REFERENCEGPTQ_H

#include "ptq/Numerics/Gptq.h"
#include <vector>

namespace ptq::numerics::test {

struct ReferenceProblem {
  int64_t rows = 0, columns = 0;
  std::vector<float> w;    ///< [rows, columns]
  std::vector<float> gram; ///< [columns, columns], upper triangle
  WeightScheme scheme;
  ColumnOrder order = ColumnOrder::None;
  double damping = 0.05;
  bool staticGroups = false;
  /// 0: scales from values updated after every column; else from values updated after every
  /// `blockSize` columns.
  int64_t blockSize = 0;
  /// A wrong method, for tests that must notice: U transposed has zeros where the updates of later
  /// columns come from.
  bool transposeU = false;
};

struct ReferenceResult {
  std::vector<int> codes;      ///< [rows, columns], signed
  std::vector<double> values;  ///< [rows, columns], dequantized
  std::vector<double> scales;  ///< [rows, groups] (groups by original column unless act-order)
  std::vector<int> zeroPoints; ///< signed
  std::vector<int> groupIndex; ///< [columns]
  /// [rows]: how close any decision in the row was to a tie, in steps. Rows with a small margin
  /// may differ from a computation in float.
  std::vector<double> margins;
  /// ||(W - Q) X^T||^2 with the damped H, W with dead columns zeroed.
  double loss = 0;
};

ReferenceResult referenceGptq(const ReferenceProblem &problem);

/// tr(M H M^T) for M [rows, columns] and the damped H of a problem.
double referenceOutputNorm(const ReferenceProblem &problem, const std::vector<double> &m);

} // namespace ptq::numerics::test

#endif // PTQ_TEST_UNIT_NUMERICS_REFERENCEGPTQ_H
