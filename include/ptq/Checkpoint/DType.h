// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The element types a safetensors file can hold, with their spelling and width.
//
#ifndef PTQ_CHECKPOINT_DTYPE_H
#define PTQ_CHECKPOINT_DTYPE_H

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace ptq::checkpoint {

/// Element type of a stored tensor. F8E4M3 is OCP's E4M3 without infinities ("fn").
enum class DType {
  Bool,
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  U64,
  I64,
  F16,
  BF16,
  F32,
  F64,
  F8E4M3,
  F8E5M2
};

/// Bytes an element takes: 1, 2, 4 or 8.
unsigned byteWidth(DType dtype);

/// Whether elements are floating point (of any width).
bool isFloat(DType dtype);

/// The spelling in a safetensors header: "F32", "BF16", "F8_E4M3", …
llvm::StringRef toString(DType dtype);

/// The inverse of toString (exact, upper case); nullopt for any other text.
std::optional<DType> parseDType(llvm::StringRef text);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_DTYPE_H
