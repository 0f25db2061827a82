// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// selp, slct: one of two values, by a predicate or by the sign of a third.

#include "InstructionTable.h"
#include "SoftFloat.h"

using namespace ptq::emulator;

/// d = c ? a : b. An undefined value that is not selected does not matter.
template <class T> static void select(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto *result = reinterpret_cast<T *>(warp.slot(instruction.operands[0]));
  auto *a = reinterpret_cast<T *>(warp.slot(instruction.operands[1]));
  auto *b = reinterpret_cast<T *>(warp.slot(instruction.operands[2]));
  uint32_t choice = warp.predicate(instruction.operands[3]);
  if (instruction.negated & (1u << 3))
    choice = ~choice;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    T value = (choice >> lane) & 1 ? a[lane] : b[lane];
    result[lane] = (mask >> lane) & 1 ? value : result[lane];
  }
  uint32_t badA = warp.undefinedLanes(instruction.operands[1]) & choice & mask;
  uint32_t badB = warp.undefinedLanes(instruction.operands[2]) & ~choice & mask;
  uint32_t badC = warp.undefinedLanes(instruction.operands[3]) & mask;
  if (!(badA | badB | badC))
    return warp.define(instruction.operands[0], mask);
  uint64_t bits[warpSize] = {};
  for (unsigned lane = 0; lane != warpSize; ++lane)
    bits[lane] = (badC >> lane) & 1   ? ~uint64_t(0)
                 : (badA >> lane) & 1 ? warp.undefinedBits(instruction.operands[1], lane)
                 : (badB >> lane) & 1 ? warp.undefinedBits(instruction.operands[2], lane)
                                      : 0;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.setUndefinedBits(instruction.operands[0], lane, bits[lane], instruction,
                            badA   ? 1
                            : badB ? 2
                                   : 3);
}

/// d = c >= 0 ? a : b; NaN is not.
template <class T, class C> struct Slct {
  static PTQ_INLINE T apply(T a, T b, C c) { return c >= 0 ? a : b; }
};
/// Under .ftz a negative subnormal is a zero.
struct FlushedFloat {
  float value;
};
template <class T> struct Slct<T, FlushedFloat> {
  static PTQ_INLINE T apply(T a, T b, FlushedFloat c) { return flush(c.value) >= 0 ? a : b; }
};
template <class C> static Handler slct(Type type) {
  switch (typeBits(type)) {
  case 16:
    return lanes<Slct<uint16_t, C>, uint16_t, uint16_t, uint16_t, C>();
  case 32:
    return lanes<Slct<uint32_t, C>, uint32_t, uint32_t, uint32_t, C>();
  default:
    return lanes<Slct<uint64_t, C>, uint64_t, uint64_t, uint64_t, C>();
  }
}

llvm::ArrayRef<Form> ptq::emulator::selectionForms() {
  static const Form forms[] = {
      {"selp .b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64", "=0 0 0 !pred",
       "Comparison and Selection: selp",
       [](Match &m) { m.set(typeBits(m.type(0)) == 64 ? select<uint64_t> : select<uint32_t>); }},
      {"slct .b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64 .s32", "=0 0 0 s32",
       "Comparison and Selection: slct", [](Match &m) { m.set(slct<int32_t>(m.type(0))); }},
      {"slct ?.ftz .b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64 .f32", "=0 0 0 f32",
       "Comparison and Selection: slct",
       [](Match &m) {
         m.set(m.has(".ftz") ? slct<FlushedFloat>(m.type(0)) : slct<float>(m.type(0)));
       }},
  };
  return forms;
}
