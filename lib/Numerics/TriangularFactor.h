// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The factorization A = R R^T of a symmetric positive definite matrix with R upper triangular.

#ifndef PTQ_LIB_NUMERICS_TRIANGULARFACTOR_H
#define PTQ_LIB_NUMERICS_TRIANGULARFACTOR_H

#include "ptq/Numerics/Matrix.h"

namespace ptq::numerics {

/// Replaces the upper triangle of a by R. What is below the diagonal is not read, and only written
/// (with zeros) near it. False if a is not finite or not numerically positive definite; then a
/// holds nothing of use. a.rows^3 / 3 flops on threadCount() threads; the same result on any number
/// of them.
bool factorUpper(MutableMatrix a);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_TRIANGULARFACTOR_H
