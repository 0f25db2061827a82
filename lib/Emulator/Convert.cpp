// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cvt (PTX ISA: Data Movement and Conversion: cvt). One lane at a time through exact intermediate
// values: integers as sign and magnitude, floats as double. Float to integer: clamped to the range;
// NaN is zero from .f16, .bf16 or .f32 to fewer than 64 bits, else the bits of the least integer.

#include "InstructionTable.h"
#include "SoftFloat.h"

using namespace ptq::emulator;

namespace {
/// Options of a conversion.
enum : uint32_t {
  roundingMask = 7,
  saturateBit = 8,
  flushBit = 16,
  toIntegralBit = 32,
  reluBit = 64,
  satfiniteBit = 128
};

Rounding roundingOf(const Instruction &instruction) {
  return static_cast<Rounding>(instruction.option & roundingMask);
}

double roundToIntegral(double value, Rounding rounding) {
  switch (rounding) {
  case Rounding::NearestEven:
    return std::nearbyint(value);
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  case Rounding::NearestAway:
    return std::round(value);
  }
  return value;
}

template <class T> double toDouble(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat>)
    return toFloat(value);
  else
    return value;
}

template <class D> D encodeAs(double value, Rounding rounding);
template <> Half encodeAs<Half>(double value, Rounding rounding) { return toHalf(value, rounding); }
template <> BFloat encodeAs<BFloat>(double value, Rounding rounding) {
  return toBFloat(value, rounding);
}
template <> float encodeAs<float>(double value, Rounding rounding) {
  if (rounding == Rounding::NearestEven)
    return canonical(static_cast<float>(value));
  return toFloat(value, rounding);
}
template <> double encodeAs<double>(double value, Rounding) { return value; }

/// The format of a float type: exponent bits, mantissa bits.
template <class D> constexpr std::pair<int, int> formatOf() {
  if constexpr (std::is_same_v<D, Half>)
    return {5, 10};
  else if constexpr (std::is_same_v<D, BFloat>)
    return {8, 7};
  else if constexpr (std::is_same_v<D, float>)
    return {8, 23};
  else
    return {11, 52};
}

template <class D> D saturateUnit(D value) {
  double number = toDouble(value);
  if (number > 0 && number <= 1)
    return value;
  return encodeAs<D>(number > 1 ? 1 : 0, Rounding::NearestEven);
}

template <class D, class S> D convert(S value, const Instruction &instruction) {
  bool sat = instruction.option & saturateBit, ftz = instruction.option & flushBit;
  if constexpr (std::is_integral_v<D> && std::is_integral_v<S>) {
    if (!sat)
      return static_cast<D>(value);
    __int128 wide = value;
    __int128 low = std::numeric_limits<D>::min(), high = std::numeric_limits<D>::max();
    return static_cast<D>(wide < low ? low : wide > high ? high : wide);
  } else if constexpr (std::is_integral_v<S>) {
    bool negative = value < 0;
    uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    auto [exponentBits, mantissaBits] = formatOf<D>();
    uint64_t bits =
        roundToFormat(negative, magnitude, 0, exponentBits, mantissaBits, roundingOf(instruction));
    // Zero has no sign.
    D result = fromStorage<D>(static_cast<StorageOf<D>>(magnitude ? bits : 0));
    return sat ? saturateUnit(result) : result;
  } else if constexpr (std::is_integral_v<D>) {
    if constexpr (std::is_same_v<S, float>)
      if (ftz)
        value = flush(value);
    double number = toDouble(value);
    if (std::isnan(number)) {
      constexpr bool zero = !std::is_same_v<S, double> && sizeof(D) < 8;
      return zero ? D(0) : static_cast<D>(uint64_t(1) << (sizeof(D) * 8 - 1));
    }
    number = roundToIntegral(number, roundingOf(instruction));
    constexpr bool isSigned = std::is_signed_v<D>;
    double limit = std::ldexp(1.0, sizeof(D) * 8 - isSigned);
    if (number >= limit)
      return std::numeric_limits<D>::max();
    if (number < (isSigned ? -limit : 0.0))
      return std::numeric_limits<D>::min();
    return static_cast<D>(number);
  } else {
    if constexpr (std::is_same_v<S, float>)
      if (ftz)
        value = flush(value);
    double number = toDouble(value);
    Rounding rounding = roundingOf(instruction);
    if (instruction.option & toIntegralBit)
      number = roundToIntegral(number, rounding);
    D result = encodeAs<D>(number, rounding);
    if constexpr (std::is_same_v<D, float>)
      if (ftz)
        result = flush(result);
    if ((instruction.option & reluBit) && !isNan(result) && std::signbit(number))
      result = encodeAs<D>(0, rounding);
    if constexpr (sizeof(D) == 2)
      if ((instruction.option & satfiniteBit) && std::isinf(toDouble(result)))
        --result.bits; // the greatest finite value is next to infinity
    return sat ? saturateUnit(result) : result;
  }
}

/// Registers that are wider than the type get its value, extended by its sign.
template <class D> uint64_t widened(D value) {
  if constexpr (std::is_integral_v<D>)
    return static_cast<uint64_t>(
        static_cast<std::conditional_t<std::is_signed_v<D>, int64_t, uint64_t>>(value));
  else
    return toStorage<D>(value);
}
} // namespace

template <class D, class S>
static void convertLanes(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *narrowSource = warp.slot(instruction.operands[1]);
  const uint64_t *wideSource = warp.wideSlot(instruction.operands[1]);
  uint32_t *narrow = warp.slot(instruction.operands[0]);
  uint64_t *wide = warp.wideSlot(instruction.operands[0]);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t raw = instruction.sourceBytes == 8 ? wideSource[lane] : narrowSource[lane];
    uint64_t result =
        widened(convert<D, S>(fromStorage<S>(static_cast<StorageOf<S>>(raw)), instruction));
    if (instruction.registerBytes == 8)
      wide[lane] = result;
    else if (instruction.registerBytes == 2)
      narrow[lane] = static_cast<uint16_t>(result);
    else
      narrow[lane] = static_cast<uint32_t>(result);
  }
  warp.flow<1>(instruction, mask);
}

template <class D> static Handler chooseSource(Type source) {
  switch (source) {
  case Type::U8:
    return convertLanes<D, uint8_t>;
  case Type::S8:
    return convertLanes<D, int8_t>;
  case Type::U16:
    return convertLanes<D, uint16_t>;
  case Type::S16:
    return convertLanes<D, int16_t>;
  case Type::U32:
    return convertLanes<D, uint32_t>;
  case Type::S32:
    return convertLanes<D, int32_t>;
  case Type::U64:
    return convertLanes<D, uint64_t>;
  case Type::S64:
    return convertLanes<D, int64_t>;
  case Type::F16:
    return convertLanes<D, Half>;
  case Type::BF16:
    return convertLanes<D, BFloat>;
  case Type::F32:
    return convertLanes<D, float>;
  case Type::F64:
    return convertLanes<D, double>;
  default:
    return nullptr;
  }
}
static Handler chooseConversion(Type destination, Type source) {
  switch (destination) {
  case Type::U8:
    return chooseSource<uint8_t>(source);
  case Type::S8:
    return chooseSource<int8_t>(source);
  case Type::U16:
    return chooseSource<uint16_t>(source);
  case Type::S16:
    return chooseSource<int16_t>(source);
  case Type::U32:
    return chooseSource<uint32_t>(source);
  case Type::S32:
    return chooseSource<int32_t>(source);
  case Type::U64:
    return chooseSource<uint64_t>(source);
  case Type::S64:
    return chooseSource<int64_t>(source);
  case Type::F16:
    return chooseSource<Half>(source);
  case Type::BF16:
    return chooseSource<BFloat>(source);
  case Type::F32:
    return chooseSource<float>(source);
  case Type::F64:
    return chooseSource<double>(source);
  default:
    return nullptr;
  }
}

/// Frequent conversions whose loop the compiler vectorises.
namespace {
struct IntToFloat {
  static PTQ_INLINE float apply(int32_t a) { return static_cast<float>(a); }
};
struct HalfToFloat {
  static PTQ_INLINE float apply(Half a) { return canonical(toFloat(a)); }
};
} // namespace

static uint32_t optionsOf(const Match &match) {
  uint32_t option = static_cast<uint32_t>(Rounding::NearestEven);
  if (match.has(".rz") || match.has(".rzi"))
    option = static_cast<uint32_t>(Rounding::Zero);
  if (match.has(".rm") || match.has(".rmi"))
    option = static_cast<uint32_t>(Rounding::Down);
  if (match.has(".rp") || match.has(".rpi"))
    option = static_cast<uint32_t>(Rounding::Up);
  if (match.has(".rni") || match.has(".rzi") || match.has(".rmi") || match.has(".rpi"))
    option |= toIntegralBit;
  if (match.has(".sat"))
    option |= saturateBit;
  if (match.has(".ftz"))
    option |= flushBit;
  if (match.has(".relu"))
    option |= reluBit;
  if (match.has(".satfinite"))
    option |= satfiniteBit;
  return option;
}

static void intToFloat(Warp &warp, const Instruction &instruction, uint32_t mask) {
  static const Handler fast = lanes<IntToFloat, float, int32_t>();
  (instruction.sourceBytes == 4 ? fast : convertLanes<float, int32_t>)(warp, instruction, mask);
}

static void bindConvert(Match &match) {
  Instruction &instruction = *match.instruction;
  instruction.option = optionsOf(match);
  Type destination = match.type(0), source = match.type(1);
  instruction.registerBytes = typeBytes(destination);
  instruction.sourceBytes = typeBytes(source);
  match.set(chooseConversion(destination, source));
  uint32_t plain = instruction.option & ~toIntegralBit;
  // These are faster; both registers have the types' own widths where the source is not widened.
  if (destination == Type::F32 && source == Type::S32 && plain == 0)
    match.set(intToFloat);
  if (destination == Type::F32 && source == Type::F16 && instruction.option == 0)
    match.set(lanes<HalfToFloat, float, Half>());
}
/// Between integers, .sat is allowed where a value may be out of range.
static void bindClamp(Match &match) {
  Type to = match.type(0), from = match.type(1);
  bool fits = isSigned(to) ? typeBits(from) + !isSigned(from) <= typeBits(to)
                           : !isSigned(from) && typeBits(from) <= typeBits(to);
  if (!fits)
    bindConvert(match);
}

#define INTEGERS ".u8|.s8|.u16|.s16|.u32|.s32|.u64|.s64"
#define WIDER_INTEGERS ".u16|.s16|.u32|.s32|.u64|.s64"
#define CVT "Data Movement and Conversion: cvt"
llvm::ArrayRef<Form> ptq::emulator::conversionForms() {
  static const Form forms[] = {
      {"cvt " INTEGERS " " INTEGERS, "=~0 ~1", CVT, bindConvert},
      {"cvt .sat " INTEGERS " " INTEGERS, "=~0 ~1", CVT, bindClamp},
      {"cvt .rn|.rz|.rm|.rp ?.sat .f16|.f64 " INTEGERS, "=~0 ~1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp ?.ftz ?.sat .f32 " INTEGERS, "=~0 ~1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp .bf16 " WIDER_INTEGERS, "=~0 ~1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi ?.ftz ?.sat " INTEGERS " .f32", "=~0 ~1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi ?.sat " INTEGERS " .f16|.f64", "=~0 ~1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi " WIDER_INTEGERS " .bf16", "=~0 ~1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi ?.ftz ?.sat .f32 .f32", "=0 1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi ?.sat .f64 .f64", "=0 1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi ?.sat .f16 .f16", "=0 1", CVT, bindConvert},
      {"cvt .rni|.rzi|.rmi|.rpi .bf16 .bf16", "=0 1", CVT, bindConvert},
      {"cvt ?.ftz ?.sat .f32 .f32", "=0 1", CVT, bindConvert},
      {"cvt ?.sat .f16 .f16", "=0 1", CVT, bindConvert},
      {"cvt .bf16 .bf16", "=0 1", CVT, bindConvert},
      {"cvt ?.sat .f64 .f64", "=0 1", CVT, bindConvert},
      {"cvt ?.ftz ?.sat .f32 .f16", "=0 1", CVT, bindConvert},
      {"cvt ?.ftz ?.sat .f64 .f32", "=0 1", CVT, bindConvert},
      {"cvt ?.sat .f64 .f16", "=0 1", CVT, bindConvert},
      {"cvt ?.rn|.rz|.rm|.rp ?.ftz .f32 .bf16", "=0 1", CVT, bindConvert},
      {"cvt ?.rn|.rz|.rm|.rp .f64 .bf16", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp ?.ftz ?.sat .f32 .f64", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp ?.ftz ?.sat .f16 .f32", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp ?.sat .f16 .f64", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz .relu ?.satfinite .f16|.bf16 .f32", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz .satfinite .f16|.bf16 .f32", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp ?.ftz .bf16 .f32", "=0 1", CVT, bindConvert},
      {"cvt .rn|.rz|.rm|.rp .bf16 .f64", "=0 1", CVT, bindConvert},
      {"cvt ?.rn|.rz|.rm|.rp .bf16 .f16", "=0 1", CVT, bindConvert},
      {"cvt ?.rn|.rz|.rm|.rp .f16 .bf16", "=0 1", CVT, bindConvert},
  };
  return forms;
}
