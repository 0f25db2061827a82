// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cvt to and from packed formats and tf32: f16x2, bf16x2, e4m3x2, e5m2x2, cvt.pack (PTX ISA: Data
// Movement and Conversion: cvt, cvt.pack). The first source goes to the upper half.

#include "InstructionTable.h"
#include "MinifloatFormats.h"

using namespace ptq::emulator;

namespace {
/// Bits of the option.
enum : uint32_t { towardZeroBit = 1, reluBit = 2, satfiniteBit = 4 };

uint32_t optionsOf(const Match &match) {
  return (match.has(".rz") ? towardZeroBit : 0u) | (match.has(".relu") ? reluBit : 0u) |
         (match.has(".satfinite") ? satfiniteBit : 0u);
}

template <class T> T encodeAs(float value, Rounding rounding);
template <> inline Half encodeAs<Half>(float value, Rounding rounding) {
  return toHalf(value, rounding);
}
template <> inline BFloat encodeAs<BFloat>(float value, Rounding rounding) {
  return toBFloat(value, rounding);
}

struct PackHalf {
  static uint32_t apply(float high, float low) {
    return toHalf(low).bits | uint32_t(toHalf(high).bits) << 16;
  }
};
struct PackBFloat {
  static uint32_t apply(float high, float low) {
    return toBFloat(low).bits | uint32_t(toBFloat(high).bits) << 16;
  }
};

/// Negative values and -0 are 0 under .relu; NaN is not negative.
float clampNegative(float value, uint32_t option) {
  return (option & reluBit) && std::signbit(value) && !isNan(value) ? 0.0f : value;
}
} // namespace

/// Two f32 to f16x2 or bf16x2, with any option.
template <class T>
static void packLanes(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t *result = warp.slot(instruction.operands[0]), option = instruction.option;
  auto part = [&](unsigned operand, unsigned lane) -> uint32_t {
    float value = floatFromBits(warp.slot(instruction.operands[operand])[lane]);
    T rounded = encodeAs<T>(clampNegative(value, option),
                            option & towardZeroBit ? Rounding::Zero : Rounding::NearestEven);
    if ((option & satfiniteBit) && std::isinf(toFloat(rounded)))
      --rounded.bits; // the greatest finite value is next to infinity
    return rounded.bits;
  };
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      result[lane] = part(1, lane) << 16 | part(2, lane);
  warp.flow<2>(instruction, mask);
}
static void bindPack(Match &match) {
  match.instruction->option = optionsOf(match);
  bool half = match.type(0) == Type::F16x2;
  if (match.instruction->option == 0)
    match.set(half ? lanes<PackHalf, uint32_t, float, float>()
                   : lanes<PackBFloat, uint32_t, float, float>());
  else
    match.set(half ? packLanes<Half> : packLanes<BFloat>);
}

/// f32 to the 10 bits of mantissa that tf32 has.
static void toTf32(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t *result = warp.slot(instruction.operands[0]), option = instruction.option;
  const uint32_t *source = warp.slot(instruction.operands[1]);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    float value = clampNegative(floatFromBits(source[lane]), option);
    uint32_t bits = static_cast<uint32_t>(bitsOf(value));
    if (isNan(value)) {
      bits = 0x7fffffff;
    } else if (!std::isinf(value)) {
      bits += option & towardZeroBit           ? 0
              : instruction.type == Type::TF32 ? 0x1000 // ties away from zero
                                               : 0x0fff + ((bits >> 13) & 1);
      bits &= ~0x1fffu;
    }
    if ((option & satfiniteBit) && (bits & 0x7fffffff) == 0x7f800000)
      bits = (bits & 0x80000000) | 0x7f7fe000;
    result[lane] = bits;
  }
  warp.flow<1>(instruction, mask);
}

/// Two f32, or an f16x2, to a pair of 8-bit floats, which saturate.
template <class T, bool FromHalves>
static void packMinifloats(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t *result = warp.slot(instruction.operands[0]);
  const uint32_t *a = warp.slot(instruction.operands[1]),
                 *b = warp.slot(instruction.operands[FromHalves ? 1 : 2]);
  auto one = [&](float value) -> uint32_t {
    return toMinifloat<T>(clampNegative(value, instruction.option)).bits;
  };
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    float high = FromHalves ? toFloat(Half{uint16_t(a[lane] >> 16)}) : floatFromBits(a[lane]);
    float low = FromHalves ? toFloat(Half{uint16_t(a[lane])}) : floatFromBits(b[lane]);
    result[lane] = one(high) << 8 | one(low);
  }
  if (FromHalves)
    warp.flow<1>(instruction, mask);
  else
    warp.flow<2>(instruction, mask);
}
/// A pair of 8-bit floats to f16x2, exactly.
template <class T>
static void unpackMinifloats(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t *result = warp.slot(instruction.operands[0]);
  const uint32_t *source = warp.slot(instruction.operands[1]);
  auto one = [&](uint32_t bits) -> uint32_t {
    return toHalf(clampNegative(toFloat(T{uint8_t(bits)}), instruction.option)).bits;
  };
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      result[lane] = one(source[lane] >> 8) << 16 | one(source[lane]);
  warp.flow<1>(instruction, mask);
}
static void bindMinifloats(Match &match) {
  match.instruction->option = optionsOf(match);
  bool e4m3 = match.has(".e4m3x2");
  if (match.modifiers.back().ends_with("x2") && match.modifiers.back() != ".f16x2")
    match.set(e4m3 ? unpackMinifloats<E4M3> : unpackMinifloats<E5M2>);
  else if (match.modifiers.back() == ".f16x2")
    match.set(e4m3 ? packMinifloats<E4M3, true> : packMinifloats<E5M2, true>);
  else
    match.set(e4m3 ? packMinifloats<E4M3, false> : packMinifloats<E5M2, false>);
}

/// cvt.pack: a and b clamped to `option` bits, and c moved up to make room for them.
template <bool Signed>
static void packIntegers(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t *result = warp.slot(instruction.operands[0]), *a = warp.slot(instruction.operands[1]),
           *b = warp.slot(instruction.operands[2]);
  unsigned bits = instruction.option;
  bool accumulates = instruction.numOperands > 3;
  int64_t limit = int64_t(1) << (Signed ? bits - 1 : bits);
  auto clampTo = [&](uint32_t value) {
    int64_t number =
        std::clamp<int64_t>(static_cast<int32_t>(value), Signed ? -limit : 0, limit - 1);
    return static_cast<uint32_t>(number) & ((1u << bits) - 1);
  };
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1) {
      uint32_t value = clampTo(a[lane]) << bits | clampTo(b[lane]);
      if (accumulates)
        value |= warp.slot(instruction.operands[3])[lane] << (2 * bits);
      result[lane] = value;
    }
  if (accumulates)
    warp.flow<3>(instruction, mask);
  else
    warp.flow<2>(instruction, mask);
}
static void bindPackIntegers(Match &match) {
  llvm::StringRef type = match.modifiers[2];
  match.instruction->option = 0;
  type.drop_front(2).getAsInteger(10, match.instruction->option);
  match.set(type.starts_with(".s") ? packIntegers<true> : packIntegers<false>);
}

#define CVT "Data Movement and Conversion: cvt"
#define CVT_PACK "Data Movement and Conversion: cvt.pack"
llvm::ArrayRef<Form> ptq::emulator::packedConversionForms() {
  static const Form forms[] = {
      {"cvt .rn|.rz ?.relu ?.satfinite .f16x2|.bf16x2 .f32", "=0 f32 f32", CVT, bindPack},
      {"cvt .rna ?.satfinite .tf32 .f32", "=b32 f32", CVT,
       [](Match &m) {
         m.instruction->option = optionsOf(m);
         m.set(toTf32, Type::TF32);
       }},
      {"cvt .rn|.rz ?.relu .tf32 .f32", "=b32 f32", CVT,
       [](Match &m) {
         m.instruction->option = optionsOf(m);
         m.set(toTf32);
       }},
      {"cvt .rn .satfinite ?.relu .e4m3x2|.e5m2x2 .f32", "=b16 f32 f32", CVT, bindMinifloats},
      {"cvt .rn .satfinite ?.relu .e4m3x2|.e5m2x2 .f16x2", "=b16 b32", CVT, bindMinifloats},
      {"cvt .rn ?.relu .f16x2 .e4m3x2|.e5m2x2", "=b32 b16", CVT, bindMinifloats},
      {"cvt .pack .sat .u16|.s16 .s32", "=u32 s32 s32", CVT_PACK, bindPackIntegers},
      {"cvt .pack .sat .u8|.s8|.u4|.s4|.u2|.s2 .s32 .b32", "=u32 s32 s32 b32", CVT_PACK,
       bindPackIntegers},
  };
  return forms;
}
