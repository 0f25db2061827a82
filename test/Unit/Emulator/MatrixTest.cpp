// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mma and ldmatrix against products of matrices, whose elements are put into registers and taken
// out again by the layouts that the PTX ISA draws, written out here shape by shape as the ISA's
// formulas for row and column are.

#include "Run.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace ptq::emulator;

namespace {
struct Place {
  int row, col;
};
/// The ISA's formulas: groupID = lane >> 2, threadID_in_group = lane % 4; element i of the
/// fragment.
struct Layout {
  std::function<Place(int lane, int i)> a, b;
  int k, elementsA, elementsB;
};

Layout m16n8k32_8bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            int row = (i >= 0 && i < 4) || (i >= 8 && i < 12) ? group : group + 8;
            int col = i < 8 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16;
            return Place{row, col};
          },
          [](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 4 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16, group};
          },
          32, 16, 8};
}
Layout m16n8k16_8bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 4 ? group : group + 8, thread * 4 + (i & 3)};
          },
          [](int lane, int i) {
            return Place{(lane % 4) * 4 + i, lane >> 2};
          },
          16, 8, 4};
}
Layout m16n8k64_4bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            int row = i < 8 || (i >= 16 && i < 24) ? group : group + 8;
            int col = i < 16 ? thread * 8 + (i & 7) : thread * 8 + (i & 7) + 32;
            return Place{row, col};
          },
          [](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 8 ? thread * 8 + (i & 7) : thread * 8 + (i & 7) + 32, group};
          },
          64, 32, 16};
}
Layout m16n8k32_4bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 8 ? group : group + 8, thread * 8 + (i & 7)};
          },
          [](int lane, int i) {
            return Place{(lane % 4) * 8 + (i & 7), lane >> 2};
          },
          32, 16, 8};
}
Layout m16n8k16_16bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            int row = (i >= 0 && i < 2) || (i >= 4 && i < 6) ? group : group + 8;
            int col = i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8;
            return Place{row, col};
          },
          [](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 2 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8, group};
          },
          16, 8, 4};
}
Layout m16n8k8_16bit() {
  return {[](int lane, int i) {
            int group = lane >> 2, thread = lane % 4;
            return Place{i < 2 ? group : group + 8, thread * 2 + (i & 1)};
          },
          [](int lane, int i) {
            return Place{(lane % 4) * 2 + i, lane >> 2};
          },
          8, 4, 2};
}
/// C and D, every shape.
Place placeOfC(int lane, int i) {
  int group = lane >> 2, thread = lane % 4;
  return {i < 2 ? group : group + 8, thread * 2 + (i & 1)};
}

uint16_t halfBits(int value) { // small integers only
  if (value == 0)
    return 0;
  int magnitude = std::abs(value), exponent = 31 - __builtin_clz(magnitude);
  return static_cast<uint16_t>((value < 0 ? 0x8000 : 0) | (exponent + 15) << 10 |
                               ((magnitude << (10 - exponent)) & 0x3ff));
}
uint16_t bfloatBits(int value) {
  float single = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  return bits >> 16;
}

struct Case {
  const char *instruction;
  Layout layout;
  int bits;
  bool signedA, signedB;
  enum { Integer, Saturating, Half, BFloat, HalfResult } kind;
};

std::string list(const char *prefix, int first, int count) {
  std::string text = "{";
  for (int i = 0; i != count; ++i)
    text += (i ? "," : "") + std::string(prefix) + std::to_string(first + i);
  return text + "}";
}

/// Lane t's registers, A then B then C, come from words in[t·20 …]; D goes to out[t·4 …].
std::string program(const Case &c, int numA, int numB, int numC) {
  std::string text =
      ".reg .b32 %r<40>;\n.reg .b64 %rd<10>;\n"
      "ld.param.u64 %rd1, [in];\nld.param.u64 %rd2, [out];\n"
      "mov.u32 %r30, %tid.x;\nmul.wide.u32 %rd3, %r30, 80;\nadd.s64 %rd1, %rd1, %rd3;\n"
      "mul.wide.u32 %rd3, %r30, 16;\nadd.s64 %rd2, %rd2, %rd3;\n";
  for (int i = 0; i != numA + numB + numC; ++i)
    text += "ld.global.u32 %r" + std::to_string(i) + ", [%rd1+" + std::to_string(4 * i) + "];\n";
  text += std::string(c.instruction) + " " + list("%r", 20, numC) + ", " + list("%r", 0, numA) +
          ", " + list("%r", numA, numB) + ", " + list("%r", numA + numB, numC) + ";\n";
  for (int i = 0; i != numC; ++i)
    text +=
        "st.global.u32 [%rd2+" + std::to_string(4 * i) + "], %r" + std::to_string(20 + i) + ";\n";
  return entry(".param .u64 in, .param .u64 out", text + "ret;");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  auto integer = [&](const char *text, Layout layout, int bits, bool a, bool b, bool saturate) {
    all.push_back(
        {text, std::move(layout), bits, a, b, saturate ? Case::Saturating : Case::Integer});
  };
#define INT(SHAPE, TYPE_A, TYPE_B, LAYOUT, BITS, A, B)                                             \
  integer("mma.sync.aligned." SHAPE ".row.col.s32." TYPE_A "." TYPE_B ".s32", LAYOUT, BITS, A, B,  \
          false);                                                                                  \
  integer("mma.sync.aligned." SHAPE ".row.col.satfinite.s32." TYPE_A "." TYPE_B ".s32", LAYOUT,    \
          BITS, A, B, true);
  INT("m16n8k32", "s8", "s8", m16n8k32_8bit(), 8, true, true)
  INT("m16n8k32", "u8", "s8", m16n8k32_8bit(), 8, false, true)
  INT("m16n8k32", "s8", "u8", m16n8k32_8bit(), 8, true, false)
  INT("m16n8k32", "u8", "u8", m16n8k32_8bit(), 8, false, false)
  INT("m16n8k16", "s8", "s8", m16n8k16_8bit(), 8, true, true)
  INT("m16n8k64", "s4", "s4", m16n8k64_4bit(), 4, true, true)
  INT("m16n8k64", "u4", "s4", m16n8k64_4bit(), 4, false, true)
  INT("m16n8k64", "s4", "u4", m16n8k64_4bit(), 4, true, false)
  INT("m16n8k64", "u4", "u4", m16n8k64_4bit(), 4, false, false)
  INT("m16n8k32", "s4", "s4", m16n8k32_4bit(), 4, true, true)
#undef INT
  all.push_back({"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", m16n8k16_16bit(), 16, true,
                 true, Case::Half});
  all.push_back({"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", m16n8k16_16bit(), 16, true,
                 true, Case::BFloat});
  all.push_back({"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16", m16n8k16_16bit(), 16, true,
                 true, Case::HalfResult});
  all.push_back({"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", m16n8k8_16bit(), 16, true,
                 true, Case::Half});
  all.push_back({"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", m16n8k8_16bit(), 16, true,
                 true, Case::BFloat});
  return all;
}
} // namespace

TEST(Mma, EveryShapeAndType) {
  std::mt19937 random(3);
  for (const Case &c : cases()) {
    SCOPED_TRACE(c.instruction);
    int k = c.layout.k, perRegister = 32 / c.bits;
    int numA = c.layout.elementsA / perRegister, numB = c.layout.elementsB / perRegister;
    bool isFloat = c.bits == 16, halfResult = c.kind == Case::HalfResult;
    int numC = halfResult ? 2 : 4;
    auto draw = [&](bool isSigned) {
      if (isFloat)
        return static_cast<int>(random() % 9) - 4;
      int value = static_cast<int>(random() % (1u << c.bits));
      return isSigned && value >= 1 << (c.bits - 1) ? value - (1 << c.bits) : value;
    };
    std::vector<int> a(16 * k), b(k * 8), start(16 * 8);
    for (int &value : a)
      value = draw(c.signedA);
    for (int &value : b)
      value = draw(c.signedB);
    for (size_t i = 0; i != start.size(); ++i)
      start[i] = isFloat      ? static_cast<int>(random() % 100) - 50
                 : i % 3 == 0 ? (i % 2 ? INT32_MAX - 10 : INT32_MIN + 10)
                              : static_cast<int>(random());
    auto bitsOf = [&](int value) -> uint32_t {
      if (c.kind == Case::BFloat)
        return bfloatBits(value);
      if (isFloat)
        return halfBits(value);
      return static_cast<uint32_t>(value) & ((1u << c.bits) - 1);
    };
    std::vector<uint32_t> in(32 * 20);
    for (int lane = 0; lane != 32; ++lane) {
      uint32_t *registers = &in[lane * 20];
      for (int i = 0; i != c.layout.elementsA; ++i) {
        Place p = c.layout.a(lane, i);
        registers[i / perRegister] |= bitsOf(a[p.row * k + p.col]) << (c.bits * (i % perRegister));
      }
      for (int i = 0; i != c.layout.elementsB; ++i) {
        Place p = c.layout.b(lane, i);
        registers[numA + i / perRegister] |= bitsOf(b[p.row * 8 + p.col])
                                             << (c.bits * (i % perRegister));
      }
      for (int i = 0; i != 4; ++i) {
        Place p = placeOfC(lane, i);
        int value = start[p.row * 8 + p.col];
        uint32_t &word = registers[numA + numB + (halfResult ? i / 2 : i)];
        if (halfResult) {
          word |= uint32_t(halfBits(value)) << (16 * (i & 1));
        } else if (isFloat) {
          float single = static_cast<float>(value);
          std::memcpy(&word, &single, 4);
        } else {
          word = static_cast<uint32_t>(value);
        }
      }
    }
    Session session(program(c, numA, numB, numC));
    uint64_t out = session.undefined(32 * 16);
    expectClean(session.launch("kernel", {1}, {32}, {argument(session.buffer(in)), argument(out)}));
    auto got = session.read<uint32_t>(out, 128);
    for (int lane = 0; lane != 32; ++lane)
      for (int i = 0; i != 4; ++i) {
        Place p = placeOfC(lane, i);
        int64_t sum = start[p.row * 8 + p.col];
        for (int j = 0; j != k; ++j)
          sum += int64_t(a[p.row * k + j]) * b[j * 8 + p.col];
        uint32_t word = got[lane * 4 + (halfResult ? i / 2 : i)], expected;
        if (halfResult) {
          word = (word >> (16 * (i & 1))) & 0xffff;
          expected = halfBits(static_cast<int>(sum));
        } else if (isFloat) {
          float single = static_cast<float>(sum);
          std::memcpy(&expected, &single, 4);
        } else {
          if (c.kind == Case::Saturating)
            sum = std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX);
          expected = static_cast<uint32_t>(sum);
        }
        ASSERT_EQ(word, expected) << "lane " << lane << " element " << i;
      }
  }
}

/// Row r of matrix j has the elements 1000·j + 8·r + c.
TEST(LoadMatrix, EveryForm) {
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      std::string body = R"(
  .reg .b32 %r<20>; .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [in]; ld.param.u64 %rd2, [out];
  mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 4; mul.wide.u32 %rd3, %r1, 16; add.s64 %rd1, %rd1, %rd3;
  ld.global.v4.u32 {%r3,%r4,%r5,%r6}, [%rd1];
  mov.u32 %r7, s; add.s32 %r7, %r7, %r2;
  st.shared.v4.u32 [%r7], {%r3,%r4,%r5,%r6};
  bar.sync 0;
  mov.b32 %r10, 0; mov.b32 %r11, 0; mov.b32 %r12, 0; mov.b32 %r13, 0;
)";
      body += "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) +
              (transposed ? ".trans" : "") + ".shared.b16 " + list("%r", 10, count) + ", [%r7];\n";
      body += "add.s64 %rd2, %rd2, %rd3;\nst.global.v4.u32 [%rd2], {%r10,%r11,%r12,%r13};\nret;";
      std::vector<uint16_t> in(32 * 8);
      for (int row = 0; row != 32; ++row)
        for (int col = 0; col != 8; ++col)
          in[row * 8 + col] = 1000 * (row / 8) + 8 * (row % 8) + col;
      Session session(
          entry(".param .u64 in, .param .u64 out", body, ".shared .align 16 .b8 s[512];"));
      uint64_t out = session.undefined(512);
      auto result =
          session.launch("kernel", {1}, {32}, {argument(session.buffer(in)), argument(out)});
      expectClean(result);
      auto got = session.read<uint16_t>(out, 256);
      for (int lane = 0; lane != 32; ++lane)
        for (int j = 0; j != 4; ++j)
          for (int half = 0; half != 2; ++half) {
            int row = lane / 4, col = 2 * (lane % 4) + half;
            int expected = j >= count   ? 0
                           : transposed ? 1000 * j + 8 * col + row
                                        : 1000 * j + 8 * row + col;
            ASSERT_EQ(got[lane * 8 + 2 * j + half], expected) << lane << " " << j;
          }
      // Rows that follow each other: no bank conflicts, one wavefront a matrix.
      const auto &opcodes = result.counters->opcodes;
      for (const auto &[name, counters] : opcodes)
        if (name.rfind("ldmatrix", 0) == 0) {
          EXPECT_EQ(counters.shared.wavefronts, static_cast<uint64_t>(count));
        }
    }
}
