// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor in global memory as bulk tensor copies (cp.async.bulk.tensor, tile mode) see it: the
// arguments of CUDA's cuTensorMapEncodeTiled. Device::encodeTensorMap makes the 128 bytes of it
// that a kernel takes as a `.param .align 64 .b8 [128]` or reads from global memory.
//
#ifndef PTQ_EMULATOR_TENSORMAP_H
#define PTQ_EMULATOR_TENSORMAP_H

#include "llvm/Support/Error.h"

#include <array>
#include <cstdint>

namespace ptq::emulator {

struct TensorMap {
  // Enumerators have the values of CUDA's.
  enum class Element : uint32_t { U8, U16, U32, S32, U64, S64, F16, F32, F64, BF16 };
  /// The 16-byte pieces of a row are permuted within that many bytes: bits 4… of the address in
  /// shared memory are xored with bits 7….
  enum class Swizzle : uint32_t { None, Bytes32, Bytes64, Bytes128 };
  /// Of L2 only; no effect in the emulator.
  enum class Promotion : uint32_t { None, Bytes64, Bytes128, Bytes256 };

  Element element = Element::U8;
  /// 1 to 5. Dimension 0 is the innermost, whose elements are adjacent.
  uint32_t rank = 1;
  /// In global memory, a multiple of 16.
  uint64_t address = 0;
  /// Elements in each dimension. What lies beyond them reads as zero and is not written.
  std::array<uint64_t, 5> size = {};
  /// Bytes from one index to the next of dimensions 1…: multiples of 16, less than 2^40.
  std::array<uint64_t, 4> stride = {};
  /// Elements that a copy goes over in each dimension, at most 256; the bytes of dimension 0 are a
  /// multiple of 16, and no more than the swizzle's.
  std::array<uint32_t, 5> box = {};
  /// Every how many elements one is copied, 1 to 8; of dimension 0 it is ignored.
  std::array<uint32_t, 5> step = {1, 1, 1, 1, 1};
  Swizzle swizzle = Swizzle::None;
  Promotion promotion = Promotion::None;
};

/// Bytes of an element.
unsigned elementBytes(TensorMap::Element element);

/// An error names the argument that breaks a rule.
llvm::Error checkTensorMap(const TensorMap &map);

} // namespace ptq::emulator

#endif // PTQ_EMULATOR_TENSORMAP_H
