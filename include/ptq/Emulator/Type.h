// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The fundamental and alternate types of PTX (PTX ISA 5.2) and when a register of one type may be
// an operand of an instruction of another (PTX ISA 9.2, 9.4).
//
#ifndef PTQ_EMULATOR_TYPE_H
#define PTQ_EMULATOR_TYPE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace ptq::emulator {

enum class Type : uint8_t {
  None,
  Pred,
  B1,
  S4,
  U4,
  B8,
  S8,
  U8,
  E4M3,
  E5M2,
  B16,
  S16,
  U16,
  F16,
  BF16,
  B32,
  S32,
  U32,
  F32,
  F16x2,
  BF16x2,
  TF32,
  B64,
  S64,
  U64,
  F64,
};

/// The type that a modifier such as ".u32" names, or nothing.
std::optional<Type> parseType(llvm::StringRef modifier);
/// With its dot: ".u32".
llvm::StringRef typeName(Type type);
/// Width of a value in bits; 1 for predicates.
unsigned typeBits(Type type);
inline unsigned typeBytes(Type type) { return (typeBits(type) + 7) / 8; }
bool isSigned(Type type);
/// .s* and .u*.
bool isInteger(Type type);
/// .f*, .bf*, packed ones included.
bool isFloat(Type type);
/// .b*.
bool isUntyped(Type type);
/// A type that a .reg declaration may have.
bool isRegisterType(Type type);

/// Whether a register declared as `declared` may be an operand that an instruction reads or writes
/// as `wanted`: the same width, and not one integer and the other float. `.b` goes with anything.
/// `widen`: ld, st and cvt, where a register may be wider than the instruction's type (PTX
/// ISA 9.4.1).
bool isCompatible(Type declared, Type wanted, bool widen);

} // namespace ptq::emulator

#endif // PTQ_EMULATOR_TYPE_H
