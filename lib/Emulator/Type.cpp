// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Emulator/Type.h"

using namespace ptq::emulator;

namespace {
struct TypeInfo {
  llvm::StringLiteral name;
  unsigned bits;
  enum Class { Predicate, Untyped, Signed, Unsigned, Float } kind;
};
} // namespace

/// In the order of Type.
static constexpr TypeInfo types[] = {
    {"", 0, TypeInfo::Untyped},       {".pred", 1, TypeInfo::Predicate},
    {".b1", 1, TypeInfo::Untyped},    {".s4", 4, TypeInfo::Signed},
    {".u4", 4, TypeInfo::Unsigned},   {".b8", 8, TypeInfo::Untyped},
    {".s8", 8, TypeInfo::Signed},     {".u8", 8, TypeInfo::Unsigned},
    {".e4m3", 8, TypeInfo::Float},    {".e5m2", 8, TypeInfo::Float},
    {".b16", 16, TypeInfo::Untyped},  {".s16", 16, TypeInfo::Signed},
    {".u16", 16, TypeInfo::Unsigned}, {".f16", 16, TypeInfo::Float},
    {".bf16", 16, TypeInfo::Float},   {".b32", 32, TypeInfo::Untyped},
    {".s32", 32, TypeInfo::Signed},   {".u32", 32, TypeInfo::Unsigned},
    {".f32", 32, TypeInfo::Float},    {".f16x2", 32, TypeInfo::Float},
    {".bf16x2", 32, TypeInfo::Float}, {".tf32", 32, TypeInfo::Float},
    {".b64", 64, TypeInfo::Untyped},  {".s64", 64, TypeInfo::Signed},
    {".u64", 64, TypeInfo::Unsigned}, {".f64", 64, TypeInfo::Float},
};

static const TypeInfo &info(Type type) { return types[static_cast<unsigned>(type)]; }

std::optional<Type> ptq::emulator::parseType(llvm::StringRef modifier) {
  for (unsigned index = 1; index != std::size(types); ++index)
    if (types[index].name == modifier)
      return static_cast<Type>(index);
  return std::nullopt;
}

llvm::StringRef ptq::emulator::typeName(Type type) { return info(type).name; }
unsigned ptq::emulator::typeBits(Type type) { return info(type).bits; }
bool ptq::emulator::isSigned(Type type) { return info(type).kind == TypeInfo::Signed; }
bool ptq::emulator::isFloat(Type type) { return info(type).kind == TypeInfo::Float; }
bool ptq::emulator::isUntyped(Type type) { return info(type).kind == TypeInfo::Untyped; }

bool ptq::emulator::isInteger(Type type) {
  return info(type).kind == TypeInfo::Signed || info(type).kind == TypeInfo::Unsigned;
}

bool ptq::emulator::isRegisterType(Type type) {
  switch (type) {
  case Type::None:
  case Type::B1:
  case Type::S4:
  case Type::U4:
  case Type::E4M3:
  case Type::E5M2:
  case Type::BF16:
  case Type::BF16x2:
  case Type::TF32:
    return false;
  default:
    return true;
  }
}

bool ptq::emulator::isCompatible(Type declared, Type wanted, bool widen) {
  if ((declared == Type::Pred) != (wanted == Type::Pred))
    return false;
  unsigned have = typeBits(declared), want = typeBits(wanted);
  bool wider =
      widen && have > want && !isFloat(declared) && (!isFloat(wanted) || isUntyped(declared));
  if (have != want && !wider)
    return false;
  if (isUntyped(declared) || isUntyped(wanted))
    return true;
  // .bf16 and packed types have no register type of their own kind but .b16 and .b32; .f16 may also
  // be held in .f16 registers.
  if (isFloat(wanted) && wanted != Type::F32 && wanted != Type::F64 && wanted != Type::F16 &&
      wanted != Type::F16x2 && wanted != Type::TF32)
    return false;
  if (wanted == Type::F16x2 && declared == Type::F32)
    return false;
  return isFloat(declared) == isFloat(wanted);
}
