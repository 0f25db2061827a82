// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// setp, set. Of floats, the comparisons eq, ne, lt … are false if an operand is NaN,
// and equ, neu, ltu … true.

#include "InstructionTable.h"
#include "SoftFloat.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;

namespace {
enum class Relation : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum class Combine : uint8_t { None, And, Or, Xor };
} // namespace

template <class T> static PTQ_INLINE bool isUnordered(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return false;
  else
    return a != a || b != b;
}

template <Relation R, class T> static PTQ_INLINE bool holds(T a, T b) {
  switch (R) {
  case Relation::Eq:
    return a == b;
  case Relation::Ne:
    return a != b && !isUnordered(a, b);
  case Relation::Lt:
    return a < b;
  case Relation::Le:
    return a <= b;
  case Relation::Gt:
    return a > b;
  case Relation::Ge:
    return a >= b;
  case Relation::Equ:
    return a == b || isUnordered(a, b);
  case Relation::Neu:
    return a != b;
  case Relation::Ltu:
    return !(a >= b);
  case Relation::Leu:
    return !(a > b);
  case Relation::Gtu:
    return !(a <= b);
  case Relation::Geu:
    return !(a < b);
  case Relation::Num:
    return !isUnordered(a, b);
  case Relation::Nan:
    return isUnordered(a, b);
  }
}

/// Comparable values of a lane: halves are compared as floats.
template <class T> static PTQ_INLINE auto comparable(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat>)
    return toFloat(value);
  else
    return value;
}

/// Bits of the option: 0–3 the relation, 4–5 how a predicate is combined, 6 flush.
static constexpr uint32_t flushOption = 64;

template <Relation R, class T, bool High>
static PTQ_INLINE uint32_t compareBody(Warp &warp, const Instruction &instruction, unsigned first) {
  auto *a = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[first]));
  auto *b = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[first + 1]));
  uint32_t result = 0;
  bool ftz = instruction.option & flushOption;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    T rawA = fromStorage<T>(High ? a[lane] >> 16 : a[lane]);
    T rawB = fromStorage<T>(High ? b[lane] >> 16 : b[lane]);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, Half>)
      if (ftz) {
        rawA = flush(rawA);
        rawB = flush(rawB);
      }
    result |= uint32_t(holds<R>(comparable(rawA), comparable(rawB))) << lane;
  }
  return result;
}
template <class T, bool High>
static uint32_t compare(Warp &warp, const Instruction &instruction, unsigned first) {
  switch (static_cast<Relation>(instruction.option & 15)) {
#define CASE(R)                                                                                    \
  case Relation::R:                                                                                \
    return compareBody<Relation::R, T, High>(warp, instruction, first);
    CASE(Eq)
    CASE(Ne)
    CASE(Lt)
    CASE(Le)
    CASE(Gt)
    CASE(Ge)
    CASE(Equ)
    CASE(Neu)
    CASE(Ltu)
    CASE(Leu)
    CASE(Gtu)
    CASE(Geu)
    CASE(Num)
    CASE(Nan)
#undef CASE
  }
  return 0;
}

static uint32_t combine(const Instruction &instruction, uint32_t value, uint32_t with) {
  switch (static_cast<Combine>((instruction.option >> 4) & 3)) {
  case Combine::None:
    return value;
  case Combine::And:
    return value & with;
  case Combine::Or:
    return value | with;
  case Combine::Xor:
    return value ^ with;
  }
  return value;
}

/// p|q = (a R b) op c, q with the relation's opposite; of f16x2, q is of the high halves.
template <class T, bool Pair>
static void setPredicate(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t low = compare<T, false>(warp, instruction, 2);
  uint32_t high = ~low;
  if constexpr (Pair)
    high = compare<T, true>(warp, instruction, 2);
  uint32_t bad =
      warp.undefinedLanes(instruction.operands[2]) | warp.undefinedLanes(instruction.operands[3]);
  uint32_t with = 0;
  int source = warp.undefinedLanes(instruction.operands[2]) & mask ? 2 : 3;
  if (instruction.numOperands > 4) {
    with = warp.predicate(instruction.operands[4]);
    if (instruction.negated & (1u << 4))
      with = ~with;
    uint32_t worse = warp.undefinedLanes(instruction.operands[4]);
    if (worse & mask & ~bad)
      source = 4;
    bad |= worse;
  }
  warp.setPredicate(instruction.operands[0], combine(instruction, low, with), mask);
  warp.setPredicate(instruction.operands[1], combine(instruction, high, with), mask);
  bad &= mask;
  for (unsigned result = 0; result != 2; ++result) {
    warp.define(instruction.operands[result], mask);
    if (bad)
      warp.taint(instruction.operands[result], bad, instruction, source);
  }
}

/// set: 0xffffffff, 1.0f, or 1.0 in each half, where true.
template <class T, bool Pair>
static void setValue(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t with = 0;
  if (instruction.numOperands > 3) {
    with = warp.predicate(instruction.operands[3]);
    if (instruction.negated & (1u << 3))
      with = ~with;
  }
  uint32_t low = combine(instruction, compare<T, false>(warp, instruction, 1), with), high = 0;
  if constexpr (Pair)
    high = combine(instruction, compare<T, true>(warp, instruction, 1), with);
  uint32_t yes = ~0u, yesHigh = 0;
  switch (instruction.type) {
  case Type::F32:
    yes = 0x3f800000;
    break;
  case Type::F16:
    yes = 0x3c00;
    break;
  case Type::BF16:
    yes = 0x3f80;
    break;
  case Type::U16:
  case Type::S16:
    yes = 0xffff;
    break;
  case Type::F16x2:
    yes = 0x3c00;
    yesHigh = 0x3c000000;
    break;
  case Type::BF16x2:
    yes = 0x3f80;
    yesHigh = 0x3f800000;
    break;
  default:
    if (Pair) {
      yes = 0xffff;
      yesHigh = 0xffff0000;
    }
    break;
  }
  uint32_t *result = warp.slot(instruction.operands[0]);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      result[lane] = ((low >> lane) & 1 ? yes : 0) | ((high >> lane) & 1 ? yesHigh : 0);
  warp.flow<2>(instruction, mask);
}

static uint32_t options(const Match &match) {
  uint32_t option = 0;
  for (llvm::StringRef modifier : match.modifiers) {
    int relation = llvm::StringSwitch<int>(modifier)
                       .Case(".eq", 0)
                       .Case(".ne", 1)
                       .Cases({".lt", ".lo"}, 2)
                       .Cases({".le", ".ls"}, 3)
                       .Cases({".gt", ".hi"}, 4)
                       .Cases({".ge", ".hs"}, 5)
                       .Case(".equ", 6)
                       .Case(".neu", 7)
                       .Case(".ltu", 8)
                       .Case(".leu", 9)
                       .Case(".gtu", 10)
                       .Case(".geu", 11)
                       .Case(".num", 12)
                       .Case(".nan", 13)
                       .Default(-1);
    if (relation >= 0)
      option |= relation;
    option |= llvm::StringSwitch<uint32_t>(modifier)
                  .Case(".and", 1 << 4)
                  .Case(".or", 2 << 4)
                  .Case(".xor", 3 << 4)
                  .Case(".ftz", flushOption)
                  .Default(0);
  }
  return option;
}

#define CHOOSE(FUNCTION, TYPE)                                                                     \
  [&]() -> Handler {                                                                               \
    switch (TYPE) {                                                                                \
    case Type::B16:                                                                                \
    case Type::U16:                                                                                \
      return FUNCTION<uint16_t, false>;                                                            \
    case Type::S16:                                                                                \
      return FUNCTION<int16_t, false>;                                                             \
    case Type::B32:                                                                                \
    case Type::U32:                                                                                \
      return FUNCTION<uint32_t, false>;                                                            \
    case Type::S32:                                                                                \
      return FUNCTION<int32_t, false>;                                                             \
    case Type::B64:                                                                                \
    case Type::U64:                                                                                \
      return FUNCTION<uint64_t, false>;                                                            \
    case Type::S64:                                                                                \
      return FUNCTION<int64_t, false>;                                                             \
    case Type::F32:                                                                                \
      return FUNCTION<float, false>;                                                               \
    case Type::F64:                                                                                \
      return FUNCTION<double, false>;                                                              \
    case Type::F16:                                                                                \
      return FUNCTION<Half, false>;                                                                \
    case Type::BF16:                                                                               \
      return FUNCTION<BFloat, false>;                                                              \
    case Type::F16x2:                                                                              \
      return FUNCTION<Half, true>;                                                                 \
    case Type::BF16x2:                                                                             \
      return FUNCTION<BFloat, true>;                                                               \
    default:                                                                                       \
      return nullptr;                                                                              \
    }                                                                                              \
  }()

static void bindSetp(Match &match) {
  match.instruction->option = options(match);
  match.set(CHOOSE(setPredicate, match.types.back()));
}
static void bindSet(Match &match) {
  match.instruction->option = options(match);
  match.set(CHOOSE(setValue, match.types.back()), match.type(0));
}

#define INTEGER_RELATIONS ".eq|.ne|.lt|.le|.gt|.ge"
#define UNSIGNED_RELATIONS ".eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs"
#define FLOAT_RELATIONS ".eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan"
llvm::ArrayRef<Form> ptq::emulator::comparisonForms() {
  static const Form forms[] = {
      {"setp .eq|.ne .b16|.b32|.b64", "=pred|p 0 0", "Comparison and Selection: setp", bindSetp},
      {"setp .eq|.ne .and|.or|.xor .b16|.b32|.b64", "=pred|p 0 0 !pred",
       "Comparison and Selection: setp", bindSetp},
      {"setp " INTEGER_RELATIONS " .s16|.s32|.s64", "=pred|p 0 0", "Comparison and Selection: setp",
       bindSetp},
      {"setp " INTEGER_RELATIONS " .and|.or|.xor .s16|.s32|.s64", "=pred|p 0 0 !pred",
       "Comparison and Selection: setp", bindSetp},
      {"setp " UNSIGNED_RELATIONS " .u16|.u32|.u64", "=pred|p 0 0",
       "Comparison and Selection: setp", bindSetp},
      {"setp " UNSIGNED_RELATIONS " .and|.or|.xor .u16|.u32|.u64", "=pred|p 0 0 !pred",
       "Comparison and Selection: setp", bindSetp},
      {"setp " FLOAT_RELATIONS " ?.ftz .f32|.f16|.f16x2", "=pred|p 0 0",
       "Comparison and Selection: setp", bindSetp},
      {"setp " FLOAT_RELATIONS " .and|.or|.xor ?.ftz .f32|.f16|.f16x2", "=pred|p 0 0 !pred",
       "Comparison and Selection: setp", bindSetp},
      {"setp " FLOAT_RELATIONS " .f64|.bf16|.bf16x2", "=pred|p 0 0",
       "Comparison and Selection: setp", bindSetp},
      {"setp " FLOAT_RELATIONS " .and|.or|.xor .f64|.bf16|.bf16x2", "=pred|p 0 0 !pred",
       "Comparison and Selection: setp", bindSetp},
      {"set .eq|.ne .u32|.s32|.f32|.f16|.bf16 .b16|.b32|.b64", "=0 1 1",
       "Comparison and Selection: set", bindSet},
      {"set .eq|.ne .and|.or|.xor .u32|.s32|.f32|.f16|.bf16 .b16|.b32|.b64", "=0 1 1 !pred",
       "Comparison and Selection: set", bindSet},
      {"set " INTEGER_RELATIONS " .u32|.s32|.f32|.f16|.bf16 .s16|.s32|.s64", "=0 1 1",
       "Comparison and Selection: set", bindSet},
      {"set " INTEGER_RELATIONS " .and|.or|.xor .u32|.s32|.f32|.f16|.bf16 .s16|.s32|.s64",
       "=0 1 1 !pred", "Comparison and Selection: set", bindSet},
      {"set " UNSIGNED_RELATIONS " .u32|.s32|.f32|.f16|.bf16 .u16|.u32|.u64", "=0 1 1",
       "Comparison and Selection: set", bindSet},
      {"set " UNSIGNED_RELATIONS " .and|.or|.xor .u32|.s32|.f32|.f16|.bf16 .u16|.u32|.u64",
       "=0 1 1 !pred", "Comparison and Selection: set", bindSet},
      {"set " FLOAT_RELATIONS " ?.ftz .u32|.s32|.f32|.f16 .f32", "=0 1 1",
       "Comparison and Selection: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor ?.ftz .u32|.s32|.f32|.f16 .f32", "=0 1 1 !pred",
       "Comparison and Selection: set", bindSet},
      {"set " FLOAT_RELATIONS " .u32|.s32|.f32|.f16|.bf16 .f64", "=0 1 1",
       "Comparison and Selection: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor .u32|.s32|.f32|.f16|.bf16 .f64", "=0 1 1 !pred",
       "Comparison and Selection: set", bindSet},
      {"set " FLOAT_RELATIONS " ?.ftz .f16|.u16|.s16|.u32|.s32 .f16", "=0 1 1",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor ?.ftz .f16|.u16|.s16|.u32|.s32 .f16", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .bf16 .f32", "=0 1 1", "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor .bf16 .f32", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .bf16 .f16", "=0 1 1", "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor .bf16 .f16", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .bf16|.u16|.s16|.u32|.s32 .bf16", "=0 1 1",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor .bf16|.u16|.s16|.u32|.s32 .bf16", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " ?.ftz .f16x2|.u32|.s32 .f16x2", "=0 1 1",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor ?.ftz .f16x2|.u32|.s32 .f16x2", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .bf16x2|.u32|.s32 .bf16x2", "=0 1 1",
       "Half Precision Comparison: set", bindSet},
      {"set " FLOAT_RELATIONS " .and|.or|.xor .bf16x2|.u32|.s32 .bf16x2", "=0 1 1 !pred",
       "Half Precision Comparison: set", bindSet},
  };
  return forms;
}
