// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel that turns float activations into integers, ptq.dynamic_quantize and ptq.quantize,
// with the norm before them if there is one.

#ifndef PTQ_KERNELS_ACTIVATIONQUANTIZATION_H
#define PTQ_KERNELS_ACTIVATIONQUANTIZATION_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <optional>

namespace ptq::kernels {

/// q[m, k] = clamp(round(v[m, k] / s) + z, −2^(bits−1), 2^(bits−1) − 1), ties to even, NaN ↦ z, of
///   v[m, k] = y[m, k]·c[k],
///   y = x, or (x·r)·γ with r = 1/√(Σ x²/k + ε) (RMSNorm),
///       or ((x − μ)·r)·γ + β with μ = Σ x/k and r = 1/√(Σ (x − μ)²/k + ε) (LayerNorm),
/// each operation rounded to float32 on its own. s and z are operands, of a row or of all (static),
/// or those of the row's own values (dynamic; ptq.dynamic_quantize has the formulas).
///
/// Sums are taken in float64 and rounded once, so that their order hardly ever shows: the results
/// are those of lib/Numerics, after a norm as the CPU's executor computes it, bit for bit.
struct ActivationQuantizationSpec {
  enum class Norm { None, RMS, Layer };

  int64_t k;           ///< of columns, at least 1
  unsigned bits = 8;   ///< 2 to 8; a code takes a byte
  bool dynamic = true; ///< per token
  bool symmetric = true;
  bool perToken = true;        ///< static: s and z are [m]; otherwise [1]
  mlir::Type inputType;        ///< f16, bf16 or f32
  mlir::Type scaleType;        ///< f16, bf16 or f32
  mlir::Type zeroPointType;    ///< i8 or i32; null: none. Dynamic: given unless symmetric.
  mlir::Type channelScaleType; ///< of c [k]: f16, bf16 or f32; null: none
  Norm norm = Norm::None;
  float epsilon = 0;    ///< ε
  mlir::Type gammaType; ///< of γ [k]; null: ones
  mlir::Type betaType;  ///< of β [k]; null: zeros. LayerNorm's only.
  /// f16 or bf16: what x·r is rounded to before γ, and y; null: float32 it stays. So do models in
  /// 16 bits whose norms compute in float32.
  mlir::Type normalizedType, resultType;
  /// LayerNorm's: Σ (x − μ)²/k is computed in float64, with a μ that is not rounded either, and
  /// rounded once. So does torch.
  bool wideVariance = false;
};

/// How rows are divided among threads.
struct RowDivision {
  int64_t columnsPerVector; ///< read at once: at most 16 bytes of each operand, a divisor of k
  int64_t threadsPerRow;    ///< 32 or a multiple of it
  int64_t vectorsPerThread;
  int64_t rowsPerBlock; ///< more than one where a warp takes a row

  int64_t threads() const { return threadsPerRow * rowsPerBlock; }
};

/// The division of the kernel's rows; nothing where a row is too long to be held in registers
/// (more than 32768 columns).
std::optional<RowDivision> divideRows(const ActivationQuantizationSpec &spec);

/// Adds a kernel to `module`. Its arguments, pointers in global memory (16-byte aligned; x and q
/// row-major):
///   x [m, k], (c [k],) (γ [k],) (β [k],)
///   static: s, (z,) q [m, k] i8;  dynamic: q [m, k] i8, s [m], (z [m],)
/// and m as i32. Its grid is ceil(m / rowsPerBlock) along x. Precondition: divideRows.
mlir::gpu::GPUFuncOp emitActivationQuantization(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                                const ActivationQuantizationSpec &spec);

/// Dynamic shared memory of a launch, in bytes.
int64_t sharedBytes(const ActivationQuantizationSpec &spec);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_ACTIVATIONQUANTIZATION_H
