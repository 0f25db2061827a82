// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contractions of strided operands through BLAS.
//
//   C[b, m, n] (+)= Σ_k A[b, m, k] · B[b, k, n]
//
// where m, n and k each stand for any number of loops, and b for a list of offsets. Loops that are
// contiguous in both operands they index are merged; one loop each of m, n and k becomes the GEMM,
// the rest is counted through. An operand that BLAS cannot read where it lies (no unit stride,
// 16-bit elements) is packed first.
//
#ifndef PTQ_LIB_EXECUTION_GEMM_H
#define PTQ_LIB_EXECUTION_GEMM_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace ptq::execution {

enum class FloatKind { F16, BF16, F32, F64 };

/// The kind of a float type that BLAS can be used for, with conversions; nullopt for others.
std::optional<FloatKind> getFloatKind(mlir::Type type);

/// A loop of a contraction: its size, and its strides in elements in the two operands that it
/// indexes: m: A and C, n: B and C, k: A and B.
struct GemmLoop {
  int64_t size, first, second;
};

struct GemmOffsets {
  int64_t a, b, c;
};

struct GemmProblem {
  const char *a = nullptr, *b = nullptr;
  char *c = nullptr;
  FloatKind kindA, kindB, kindC;
  llvm::SmallVector<GemmLoop, 2> m, n, k;
  /// In elements; one for each combination of the batch loops.
  llvm::SmallVector<GemmOffsets> batch;
  /// Whether C has values to be added to.
  bool accumulate = false;
};

/// Computes in float64 if C is float64, else in float32, and rounds once, half to even, to C's
/// type.
void runGemm(GemmProblem problem);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_GEMM_H
