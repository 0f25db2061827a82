// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C library's vector versions of exp, tanh, erf, …, for loops that LLVM vectorizes.
//
#ifndef PTQ_LIB_EXECUTION_VECTORMATH_H
#define PTQ_LIB_EXECUTION_VECTORMATH_H

#include "llvm/Analysis/TargetLibraryInfo.h"

namespace ptq::execution {

/// Adds to `library` the vector functions that this machine's C library really has (glibc's libmvec
/// on x86-64, at most 4 ulp), for vectors of up to `vectorBits` bits. Where there are none, calls
/// stay scalar.
void addVectorMath(llvm::TargetLibraryInfoImpl &library, unsigned vectorBits);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_VECTORMATH_H
