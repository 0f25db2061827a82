// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mma.sync of the shapes and types that are not worth a loop of their own (Matrix.cpp has those):
// tf32, f64, 8-bit floats, single bits, and integers in m8n8k16 and m8n8k32.
//
// Fragments. With g = lane / 4, t = lane % 4 and e elements in a register (1 for tf32 and f64),
// register r of A holds row g + 8·(r mod M/8), columns e·t … of the block of 4e columns number
// r / (M/8); register r of B rows e·t … of the r-th block of 4e, column g; C and D as in
// Matrix.cpp.
//
// f64 is accumulated by fused operations from k = 0 up, in the rounding given; other floats as in
// Matrix.cpp: products are exact, K is cut into groups of eight. Of tf32 the low 13 bits do not
// count.

#include "Bindings.h"
#include "MinifloatFormats.h"

#include <cfenv>

using namespace ptq::emulator;

namespace {
enum : uint32_t { saturateBit = 1, halfBit = 2, andBit = 4, towardZeroBit = 8 };

/// M and K as the instruction has them, types of A and B.
struct Shape {
  explicit Shape(const Instruction &instruction)
      : m(instruction.elementBytes), k(instruction.target), a(instruction.type),
        b(static_cast<Type>(instruction.index)), bits(typeBits(a)), e(bits < 32 ? 32 / bits : 1),
        numA(m / 8 * k / (4 * e)), numB(k / (4 * e)),
        numC(instruction.option & halfBit ? m / 8 : m / 4) {}
  unsigned rowOfA(unsigned reg, unsigned lane) const { return (lane >> 2) + 8 * (reg % (m / 8)); }
  unsigned columnOfA(unsigned reg, unsigned lane) const {
    return e * (lane & 3) + 4 * e * (reg / (m / 8));
  }
  unsigned rowOfB(unsigned reg, unsigned lane) const { return e * (lane & 3) + 4 * e * reg; }

  unsigned m, k;
  Type a, b;
  unsigned bits, e, numA, numB, numC;
};
} // namespace

/// Element `index` of a register as a number.
static double element(Warp &warp, uint32_t slot, unsigned lane, unsigned index, Type type) {
  if (type == Type::F64)
    return doubleFromBits(warp.wideSlot(slot)[lane]);
  uint32_t word = warp.slot(slot)[lane];
  unsigned bits = typeBits(type);
  uint32_t raw = bits == 32 ? word : (word >> (bits * index)) & ((1u << bits) - 1);
  switch (type) {
  case Type::TF32:
    return floatFromBits(raw & ~0x1fffu);
  case Type::E4M3:
    return toFloat(E4M3{static_cast<uint8_t>(raw)});
  case Type::E5M2:
    return toFloat(E5M2{static_cast<uint8_t>(raw)});
  case Type::S8:
    return static_cast<int8_t>(raw);
  case Type::S4:
    return static_cast<int>(raw ^ 8) - 8;
  default:
    return raw;
  }
}

static double accumulate(const Instruction &instruction, const Shape &shape, const double *a,
                         const double *b, double sum) {
  if (shape.a == Type::F64) {
    for (unsigned k = 0; k != shape.k; ++k)
      sum = std::fma(a[k], b[k], sum);
    return sum;
  }
  if (isInteger(shape.a)) {
    for (unsigned k = 0; k != shape.k; ++k)
      sum += a[k] * b[k]; // far below 2^53
    return sum;
  }
  if (shape.a == Type::B1) {
    for (unsigned k = 0; k != shape.k; ++k)
      sum += instruction.option & andBit ? a[k] * b[k] : a[k] != b[k];
    return sum;
  }
  float acc = static_cast<float>(sum);
  for (unsigned begin = 0; begin < shape.k; begin += 8) {
    double part = 0;
    for (unsigned k = begin; k != std::min(begin + 8, shape.k); ++k)
      part += a[k] * b[k];
    acc = static_cast<float>(acc + part);
  }
  return acc;
}

/// Undefined lanes of A make rows of D undefined, of B columns, of C their own elements.
static void flowThrough(Warp &warp, const Instruction &instruction, const Shape &shape) {
  const uint32_t *ops = instruction.operands;
  const uint32_t *a = ops + shape.numC, *b = a + shape.numA, *c = b + shape.numB;
  uint32_t rows = 0, columns = 0, bad[4] = {};
  int source = -1;
  auto note = [&](const uint32_t *slot, unsigned lane) {
    bool undefined = (warp.undefinedLanes(*slot) >> lane) & 1;
    if (undefined && source < 0)
      source = static_cast<int>(slot - ops);
    return uint32_t(undefined);
  };
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    for (unsigned reg = 0; reg != shape.numA; ++reg)
      rows |= note(a + reg, lane) << shape.rowOfA(reg, lane);
    for (unsigned reg = 0; reg != shape.numB; ++reg)
      columns |= note(b + reg, lane) << (lane >> 2);
  }
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != shape.m / 4; ++i) {
      unsigned reg = instruction.option & halfBit ? i / 2 : i;
      unsigned row = (lane >> 2) + 8 * (i >> 1), column = 2 * (lane & 3) + (i & 1);
      uint32_t any = ((rows >> row) | (columns >> column)) & 1;
      bad[reg] |= (any | note(c + reg, lane)) << lane;
    }
  for (unsigned reg = 0; reg != shape.numC; ++reg) {
    warp.define(ops[reg], allLanes);
    if (bad[reg])
      warp.taint(ops[reg], bad[reg], instruction, source);
  }
}

static void generalMma(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  const Shape shape(instruction);
  const uint32_t *ops = instruction.operands;
  const uint32_t *slotsA = ops + shape.numC, *slotsB = slotsA + shape.numA,
                 *slotsC = slotsB + shape.numB;
  double a[16][256], b[8][256];
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned index = 0; index != shape.e; ++index) {
      for (unsigned reg = 0; reg != shape.numA; ++reg)
        a[shape.rowOfA(reg, lane)][shape.columnOfA(reg, lane) + index] =
            element(warp, slotsA[reg], lane, index, shape.a);
      for (unsigned reg = 0; reg != shape.numB; ++reg)
        b[lane >> 2][shape.rowOfB(reg, lane) + index] =
            element(warp, slotsB[reg], lane, index, shape.b);
    }
  bool integer = isInteger(shape.a) || shape.a == Type::B1, wide = shape.a == Type::F64;
  bool half = instruction.option & halfBit;
  double results[4][warpSize];
  int before = fegetround();
  if (instruction.option & towardZeroBit)
    fesetround(FE_TOWARDZERO);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != shape.m / 4; ++i) {
      unsigned row = (lane >> 2) + 8 * (i >> 1), column = 2 * (lane & 3) + (i & 1);
      uint32_t slot = slotsC[half ? i / 2 : i], word = warp.slot(slot)[lane];
      double c = wide      ? doubleFromBits(warp.wideSlot(slot)[lane])
                 : integer ? static_cast<int32_t>(word)
                 : half    ? toFloat(Half{static_cast<uint16_t>(word >> (16 * (i & 1)))})
                           : floatFromBits(word);
      results[i][lane] = accumulate(instruction, shape, a[row], b[column], c);
    }
  fesetround(before);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != shape.m / 4; ++i) {
      double value = results[i][lane];
      if (wide) {
        warp.wideSlot(ops[i])[lane] = bitsOf(value);
      } else if (integer) {
        if (instruction.option & saturateBit)
          value = std::clamp(value, -2147483648.0, 2147483647.0);
        warp.slot(ops[i])[lane] = static_cast<uint32_t>(static_cast<int64_t>(value));
      } else if (half) {
        uint32_t &word = warp.slot(ops[i / 2])[lane], bits = toHalf(value).bits;
        word = i & 1 ? (word & 0xffff) | bits << 16 : bits;
      } else {
        warp.slot(ops[i])[lane] =
            static_cast<uint32_t>(bitsOf(canonical(static_cast<float>(value))));
      }
    }
  flowThrough(warp, instruction, shape);
}

static void bindGeneral(Match &match) {
  Instruction &instruction = *match.instruction;
  llvm::StringRef shape = match.modifiers[2];
  unsigned m = 0, k = 0;
  shape.drop_front(2).split('n').first.getAsInteger(10, m);
  shape.split('k').second.getAsInteger(10, k);
  instruction.elementBytes = static_cast<uint8_t>(m);
  instruction.target = k;
  instruction.index = static_cast<uint32_t>(match.type(2));
  instruction.option = (match.has(".satfinite") ? saturateBit : 0u) |
                       (match.type(0) == Type::F16 ? halfBit : 0u) |
                       (match.has(".and.popc") || match.has(".and") ? andBit : 0u) |
                       (match.has(".rz") ? towardZeroBit : 0u);
  match.set(generalMma, match.type(1));
}

#define MMA "Matrix: mma"
#define EIGHT_BIT_FLOATS ".e4m3|.e5m2 .e4m3|.e5m2"
llvm::ArrayRef<Form> ptq::emulator::generalMatrixForms() {
  static const Form forms[] = {
      {"mma .sync .aligned .m8n8k16 .row .col ?.satfinite .s32 .s8|.u8 .s8|.u8 .s32",
       "=v2:s32 v1:b32 v1:b32 v2:s32", MMA, bindGeneral},
      {"mma .sync .aligned .m8n8k32 .row .col ?.satfinite .s32 .s4|.u4 .s4|.u4 .s32",
       "=v2:s32 v1:b32 v1:b32 v2:s32", MMA, bindGeneral},
      {"mma .sync .aligned .m8n8k128 .row .col .s32 .b1 .b1 .s32 .xor|.and .popc",
       "=v2:s32 v1:b32 v1:b32 v2:s32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k128 .row .col .s32 .b1 .b1 .s32 .xor|.and .popc",
       "=v4:s32 v2:b32 v1:b32 v4:s32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k256 .row .col .s32 .b1 .b1 .s32 .xor|.and .popc",
       "=v4:s32 v4:b32 v2:b32 v4:s32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k4 .row .col .f32 .tf32 .tf32 .f32",
       "=v4:f32 v2:b32 v1:b32 v4:f32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k8 .row .col .f32 .tf32 .tf32 .f32",
       "=v4:f32 v4:b32 v2:b32 v4:f32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k16 .row .col .f32 " EIGHT_BIT_FLOATS " .f32",
       "=v4:f32 v2:b32 v1:b32 v4:f32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k32 .row .col .f32 " EIGHT_BIT_FLOATS " .f32",
       "=v4:f32 v4:b32 v2:b32 v4:f32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k16 .row .col .f16 " EIGHT_BIT_FLOATS " .f16",
       "=v2:b32 v2:b32 v1:b32 v2:b32", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k32 .row .col .f16 " EIGHT_BIT_FLOATS " .f16",
       "=v2:b32 v4:b32 v2:b32 v2:b32", MMA, bindGeneral},
      {"mma .sync .aligned .m8n8k4 .row .col ?.rn|.rz .f64 .f64 .f64 .f64",
       "=v2:f64 v1:f64 v1:f64 v2:f64", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k4 .row .col ?.rn|.rz .f64 .f64 .f64 .f64",
       "=v4:f64 v2:f64 v1:f64 v4:f64", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k8 .row .col ?.rn|.rz .f64 .f64 .f64 .f64",
       "=v4:f64 v4:f64 v2:f64 v4:f64", MMA, bindGeneral},
      {"mma .sync .aligned .m16n8k16 .row .col ?.rn|.rz .f64 .f64 .f64 .f64",
       "=v4:f64 v8:f64 v4:f64 v4:f64", MMA, bindGeneral},
  };
  return forms;
}
