// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a single instruction over corner and random inputs and compares it with its definition,
// written as a function on the host.
//
#ifndef PTQ_TEST_UNIT_EMULATOR_INSTRUCTIONCHECK_H
#define PTQ_TEST_UNIT_EMULATOR_INSTRUCTIONCHECK_H

#include "Run.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

namespace ptq::emulator {
using Reference = std::function<uint64_t(uint64_t a, uint64_t b, uint64_t c)>;

inline float asFloat(uint64_t bits) {
  uint32_t word = static_cast<uint32_t>(bits);
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}
inline uint64_t asBits(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  return word;
}

constexpr uint64_t corners[] = {0,
                                1,
                                2,
                                31,
                                32,
                                33,
                                63,
                                64,
                                255,
                                256,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x7f800000,
                                0xff800000,
                                0x7fc00000,
                                0x00000001,
                                0x007fffff,
                                0x00800000,
                                0x3f800000,
                                0xbf800000,
                                0x3c003c00,
                                0x7bff0400,
                                0x83ff7c00,
                                ~uint64_t(0),
                                uint64_t(1) << 63,
                                0x3ff0000000000000};

/// Runs `instruction` with operands a, b, c and result d in registers of `bits`, one thread for
/// each input. Words are 64-bit in memory; `wide` registers are %rd.
inline void check(const std::string &instruction, const char *registers,
                  const Reference &reference) {
  SCOPED_TRACE(instruction);
  // registers: for d, a, b, c: 'h' 16 bits, 'r' 32 bits, 'd' 64 bits.
  std::string text =
      ".reg .b16 %h<4>;\n.reg .b32 %r<8>;\n.reg .b64 %d<4>, %q<6>;\n.reg .pred %p<2>;\n"
      "ld.param.u64 %q1, [in]; ld.param.u64 %q2, [out];\n"
      "mov.u32 %r4, %ctaid.x; mov.u32 %r5, %tid.x; mad.lo.u32 %r5, %r4, 256, %r5;\n"
      "mul.wide.u32 %q3, %r5, 24; add.s64 %q1, %q1, %q3;\n"
      "mul.wide.u32 %q3, %r5, 8; add.s64 %q2, %q2, %q3; mov.b64 %q4, 0;\n"
      "st.global.u64 [%q2], %q4;\n";
  auto widthOf = [](char kind) { return kind == 'h' ? "16" : kind == 'r' ? "32" : "64"; };
  for (int i = 1; i != 4; ++i)
    text += std::string("ld.global.b") + widthOf(registers[i]) + " %" + registers[i] +
            std::to_string(i) + ", [%q1+" + std::to_string(8 * (i - 1)) + "];\n";
  std::string line;
  for (char c : instruction) {
    size_t which = std::string("DABC").find(c);
    line += which == std::string::npos
                ? std::string(1, c)
                : "%" + std::string(1, registers[which]) + std::to_string(which);
  }
  text += line + ";\nst.global.b" + widthOf(registers[0]) + " [%q2], %" + registers[0] + "0;\nret;";
  std::vector<uint64_t> in;
  for (uint64_t a : corners)
    for (uint64_t b : corners)
      in.insert(in.end(), {a, b, corners[(a * 7 + b) % std::size(corners)]});
  std::mt19937_64 random(5);
  while (in.size() != 3 * 2048) {
    uint64_t word = random();
    in.push_back(random() % 2 ? word : word >> (random() % 64));
  }
  Session session(entry(".param .u64 in, .param .u64 out", text));
  uint64_t out = session.undefined(2048 * 8);
  expectClean(session.launch("kernel", {8}, {256}, {argument(session.buffer(in)), argument(out)}));
  auto got = session.read<uint64_t>(out, 2048);
  auto truncated = [](uint64_t value, char kind) {
    return kind == 'h' ? value & 0xffff : kind == 'r' ? value & 0xffffffff : value;
  };
  int wrong = 0;
  for (size_t i = 0; i != 2048 && wrong != 3; ++i) {
    uint64_t a = truncated(in[3 * i], registers[1]), b = truncated(in[3 * i + 1], registers[2]),
             c = truncated(in[3 * i + 2], registers[3]);
    uint64_t expected = truncated(reference(a, b, c), registers[0]);
    if (got[i] != expected) {
      ++wrong;
      ADD_FAILURE() << std::hex << "a " << a << " b " << b << " c " << c << ": " << got[i]
                    << ", expected " << expected;
    }
  }
}

/// `one` for each 16-bit half of the operands.
inline uint64_t perHalf(uint64_t a, uint64_t b, uint64_t c, const Reference &one) {
  return one(a & 0xffff, b & 0xffff, c & 0xffff) | one(a >> 16, b >> 16, c >> 16) << 16;
}

} // namespace ptq::emulator

#endif // PTQ_TEST_UNIT_EMULATOR_INSTRUCTIONCHECK_H
