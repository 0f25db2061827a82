// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels need to know of a chip. Sources: the CUDA C++ Programming Guide's table of compute
// capabilities, NVIDIA's architecture white papers (dense rates at boost clock).

#ifndef PTQ_KERNELS_CHIP_H
#define PTQ_KERNELS_CHIP_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace ptq::kernels {

struct Chip {
  llvm::StringRef name;       ///< as ptxas's -arch takes it
  llvm::StringRef ptxFeature; ///< the oldest PTX version that knows it, as an LLVM feature
  llvm::StringRef model;      ///< the product that the rates below are of
  int multiprocessors;
  double gigahertz;
  double dramGBs;         ///< 10^9 bytes a second
  double l2BytesPerCycle; ///< of the whole chip
  int64_t sharedPerBlock; ///< dynamic shared memory that a block may ask for, in bytes
  int64_t sharedPerMultiprocessor;
  int threadsPerMultiprocessor;
  /// Cycles of one tensor core (there are 4 in a multiprocessor) for an mma.
  double cyclesMmaS8;  ///< m16n8k32 s8
  double cyclesMmaF16; ///< m16n8k16 f16 or bf16 with f32 sums
  /// Of a product of the same size at the tensor cores' peak: where there is wgmma, by wgmma.
  double cyclesPeak;
  bool hasMmaS4; ///< m16n8k64 s4 in hardware
  bool hasWgmma;

  static constexpr int64_t registersPerMultiprocessor = 65536;
  static constexpr int64_t registersPerThread = 255;
  static constexpr int subCores = 4;
  /// Instructions that a sub-core issues in a cycle.
  static constexpr double issuePerCycle = 1;
  static constexpr double sharedBytesPerCycle = 128;
};

/// All chips known, oldest first.
llvm::ArrayRef<Chip> chips();

/// The chip of that name; null if there is none.
const Chip *findChip(llvm::StringRef name);

/// The same, or an error that names those there are: "knows no chip …; it knows …".
llvm::Expected<const Chip *> requireChip(llvm::StringRef name);

/// The first of them, with the room and the instructions that all have: kernels whose tiles are
/// chosen for it run on each. Precondition: there is one.
Chip commonChip(llvm::ArrayRef<const Chip *> chips);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_CHIP_H
