// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mma of tf32, f64, 8-bit floats, single bits and the m8n8 shapes of integers, stmatrix and
// movmatrix, against products and transposes of matrices placed by the formulas of the PTX ISA for
// each shape: groupID = lane / 4, threadID_in_group = lane % 4, element i of the fragment.

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
using Layout = std::function<Place(int group, int thread, int i)>;
struct Case {
  const char *instruction;
  int m, k, bits, elementsA, elementsB;
  Layout a, b;
  enum { Integer, Signed, Bit, AndBit, Tf32, Double, E4M3, E5M2 } kind;
};

uint64_t encode(int value, const Case &c) {
  float single = static_cast<float>(value);
  double wide = value;
  uint64_t bits = 0;
  switch (c.kind) {
  case Case::Tf32:
    std::memcpy(&bits, &single, 4);
    return bits | 0x1fff; // bits that tf32 has not
  case Case::Double:
    std::memcpy(&bits, &wide, 8);
    return bits;
  case Case::E4M3:
  case Case::E5M2: {
    if (value == 0)
      return 0;
    int mantissaBits = c.kind == Case::E4M3 ? 3 : 2, bias = c.kind == Case::E4M3 ? 7 : 15;
    int magnitude = std::abs(value), exponent = 31 - __builtin_clz(magnitude);
    return (value < 0 ? 0x80 : 0) | (exponent + bias) << mantissaBits |
           (((magnitude << mantissaBits) >> exponent) & ((1 << mantissaBits) - 1));
  }
  default:
    return static_cast<uint64_t>(value) & ((uint64_t(1) << c.bits) - 1);
  }
}

std::vector<Case> cases() {
  Layout row4 = [](int g, int t, int i) { return Place{g, 4 * t + i}; };
  Layout row8 = [](int g, int t, int i) { return Place{g, 8 * t + i}; };
  Layout row32 = [](int g, int t, int i) { return Place{g, 32 * t + i}; };
  auto transposed = [](Layout layout) -> Layout {
    return [=](int g, int t, int i) {
      Place p = layout(g, t, i);
      return Place{p.col, p.row};
    };
  };
  Layout bits16x128 = [](int g, int t, int i) {
    return Place{i < 32 ? g : g + 8, t * 32 + (i & 31)};
  };
  Layout bits16x256 = [](int g, int t, int i) {
    bool upper = i < 32 || (i >= 64 && i < 96);
    return Place{upper ? g : g + 8, t * 32 + (i & 31) + (i < 64 ? 0 : 128)};
  };
  Layout bits256 = [](int g, int t, int i) {
    return Place{t * 32 + (i & 31) + (i < 32 ? 0 : 128), g};
  };
  Layout one16x4 = [](int g, int t, int i) { return Place{i == 0 ? g : g + 8, t}; };
  Layout one16x8 = [](int g, int t, int i) {
    return Place{i == 0 || i == 2 ? g : g + 8, i < 2 ? t : t + 4};
  };
  Layout one16x16 = [](int g, int t, int i) { return Place{i % 2 ? g + 8 : g, i / 2 * 4 + t}; };
  Layout one8x4 = [](int g, int t, int) { return Place{g, t}; };
  Layout column = [](int g, int t, int i) { return Place{t + 4 * i, g}; };
  Layout byte16x16 = [](int g, int t, int i) { return Place{i < 4 ? g : g + 8, t * 4 + (i & 3)}; };
  Layout byte16x32 = [](int g, int t, int i) {
    bool upper = i < 4 || (i >= 8 && i < 12);
    return Place{upper ? g : g + 8, t * 4 + (i & 3) + (i < 8 ? 0 : 16)};
  };
  Layout byte32 = [](int g, int t, int i) { return Place{t * 4 + (i & 3) + (i < 4 ? 0 : 16), g}; };
#define MMA(SHAPE, TYPES) "mma.sync.aligned." SHAPE ".row.col." TYPES
  return {
      {MMA("m8n8k16", "s32.s8.s8.s32"), 8, 16, 8, 4, 4, row4, transposed(row4), Case::Signed},
      {MMA("m8n8k16", "satfinite.s32.u8.u8.s32"), 8, 16, 8, 4, 4, row4, transposed(row4),
       Case::Integer},
      {MMA("m8n8k32", "s32.s4.s4.s32"), 8, 32, 4, 8, 8, row8, transposed(row8), Case::Signed},
      {MMA("m8n8k32", "s32.u4.u4.s32"), 8, 32, 4, 8, 8, row8, transposed(row8), Case::Integer},
      {MMA("m8n8k128", "s32.b1.b1.s32.xor.popc"), 8, 128, 1, 32, 32, row32, transposed(row32),
       Case::Bit},
      {MMA("m16n8k128", "s32.b1.b1.s32.and.popc"), 16, 128, 1, 64, 32, bits16x128,
       transposed(row32), Case::AndBit},
      {MMA("m16n8k256", "s32.b1.b1.s32.xor.popc"), 16, 256, 1, 128, 64, bits16x256, bits256,
       Case::Bit},
      {MMA("m16n8k4", "f32.tf32.tf32.f32"), 16, 4, 32, 2, 1, one16x4, column, Case::Tf32},
      {MMA("m16n8k8", "f32.tf32.tf32.f32"), 16, 8, 32, 4, 2, one16x8, column, Case::Tf32},
      {MMA("m8n8k4", "f64.f64.f64.f64"), 8, 4, 64, 1, 1, one8x4, column, Case::Double},
      {MMA("m16n8k4", "rn.f64.f64.f64.f64"), 16, 4, 64, 2, 1, one16x4, column, Case::Double},
      {MMA("m16n8k8", "f64.f64.f64.f64"), 16, 8, 64, 4, 2, one16x8, column, Case::Double},
      {MMA("m16n8k16", "rz.f64.f64.f64.f64"), 16, 16, 64, 8, 4, one16x16, column, Case::Double},
      {MMA("m16n8k16", "f32.e4m3.e4m3.f32"), 16, 16, 8, 8, 4, byte16x16, transposed(row4),
       Case::E4M3},
      {MMA("m16n8k32", "f32.e5m2.e5m2.f32"), 16, 32, 8, 16, 8, byte16x32, byte32, Case::E5M2},
  };
}
std::string list(const char *prefix, int first, int count) {
  std::string text = "{";
  for (int i = 0; i != count; ++i)
    text += (i ? "," : "") + std::string(prefix) + std::to_string(first + i);
  return text + "}";
}
} // namespace

TEST(MmaForms, ProductsOfMatrices) {
  std::mt19937 random(7);
  for (const Case &c : cases()) {
    SCOPED_TRACE(c.instruction);
    bool wide = c.bits == 64, isFloat = c.kind >= Case::Tf32;
    int perRegister = wide ? 1 : 32 / c.bits;
    int numA = c.elementsA / perRegister, numB = c.elementsB / perRegister, numC = c.m / 4;
    const char *reg = wide ? "%d" : "%r", *type = wide ? "b64" : "b32";
    std::string text = ".reg .b32 %r<40>;\n.reg .b64 %d<40>;\n"
                       "ld.param.u64 %d38, [in];\nld.param.u64 %d39, [out];\n"
                       "mov.u32 %r39, %tid.x;\nmad.wide.u32 %d38, %r39, 128, %d38;\n"
                       "mad.wide.u32 %d39, %r39, 32, %d39;\n";
    for (int i = 0; i != numA + numB + numC; ++i)
      text += std::string("ld.global.") + type + " " + reg + std::to_string(i) + ", [%d38+" +
              std::to_string(8 * i) + "];\n";
    text += std::string(c.instruction) + " " + list(reg, 20, numC) + ", " + list(reg, 0, numA) +
            ", " + list(reg, numA, numB) + ", " + list(reg, numA + numB, numC) + ";\n";
    for (int i = 0; i != numC; ++i)
      text += std::string("st.global.") + type + " [%d39+" + std::to_string(8 * i) + "], " + reg +
              std::to_string(20 + i) + ";\n";
    std::vector<int> a(c.m * c.k), b(c.k * 8), start(c.m * 8);
    auto draw = [&] {
      if (isFloat)
        return static_cast<int>(random() % 7) - 3;
      int value = static_cast<int>(random() % (1u << c.bits));
      return c.kind == Case::Signed && value >= 1 << (c.bits - 1) ? value - (1 << c.bits) : value;
    };
    for (int &value : a)
      value = draw();
    for (int &value : b)
      value = draw();
    for (int &value : start)
      value = static_cast<int>(random() % 2000) - 1000;
    bool saturating = std::string(c.instruction).find("satfinite") != std::string::npos;
    if (saturating)
      start[5] = INT32_MAX - 3;
    std::vector<uint64_t> in(32 * 16);
    auto place = [&](int lane, int i) {
      return Place{lane / 4 + 8 * (i >> 1), 2 * (lane % 4) + (i & 1)};
    };
    for (int lane = 0; lane != 32; ++lane) {
      uint64_t *registers = &in[lane * 16];
      for (int i = 0; i != c.elementsA; ++i) {
        Place p = c.a(lane / 4, lane % 4, i);
        registers[i / perRegister] |= encode(a[p.row * c.k + p.col], c)
                                      << (perRegister == 1 ? 0 : c.bits * (i % perRegister));
      }
      for (int i = 0; i != c.elementsB; ++i) {
        Place p = c.b(lane / 4, lane % 4, i);
        registers[numA + i / perRegister] |= encode(b[p.row * 8 + p.col], c)
                                             << (perRegister == 1 ? 0 : c.bits * (i % perRegister));
      }
      for (int i = 0; i != numC; ++i) {
        Place p = place(lane, i);
        int value = start[p.row * 8 + p.col];
        float single = static_cast<float>(value);
        double number = value;
        if (wide)
          std::memcpy(registers + numA + numB + i, &number, 8);
        else if (isFloat)
          std::memcpy(registers + numA + numB + i, &single, 4);
        else
          registers[numA + numB + i] = static_cast<uint32_t>(value);
      }
    }
    Session session(entry(".param .u64 in, .param .u64 out", text + "ret;"));
    uint64_t out = session.buffer(std::vector<uint64_t>(128));
    expectClean(session.launch("kernel", {1}, {32}, {argument(session.buffer(in)), argument(out)}));
    auto got = session.read<uint64_t>(out, 128);
    for (int lane = 0; lane != 32; ++lane)
      for (int i = 0; i != numC; ++i) {
        Place p = place(lane, i);
        int64_t sum = start[p.row * 8 + p.col];
        for (int j = 0; j != c.k; ++j) {
          int x = a[p.row * c.k + j], y = b[j * 8 + p.col];
          sum += c.kind == Case::Bit ? x ^ y : c.kind == Case::AndBit ? x & y : x * y;
        }
        if (saturating)
          sum = std::min<int64_t>(sum, INT32_MAX);
        double value = static_cast<double>(sum);
        if (wide) {
          std::memcpy(&value, &got[lane * 4 + i], 8);
        } else if (isFloat) {
          float single;
          std::memcpy(&single, &got[lane * 4 + i], 4);
          value = single;
        } else {
          value = static_cast<int32_t>(got[lane * 4 + i]);
        }
        ASSERT_EQ(value, static_cast<double>(static_cast<int32_t>(sum)))
            << "lane " << lane << " element " << i;
      }
  }
}

/// stmatrix writes what the definition of the fragment says; ldmatrix gets it back.
TEST(MatrixForms, StoreMatrix) {
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      std::string body = R"(
  .reg .b32 %r<20>; .reg .b64 %d<5>;
  ld.param.u64 %d2, [out];
  mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 4; mad.wide.u32 %d2, %r1, 16, %d2;
  mov.u32 %r7, s; add.s32 %r7, %r7, %r2;
  mov.b32 %r3, 0; st.shared.v4.u32 [%r7], {%r3,%r3,%r3,%r3};
  bar.sync 0;
)";
      // Register j of lane l holds 1000·j + 2·l in its low half, one more in its high half.
      for (int j = 0; j != count; ++j) {
        std::string name = "%r" + std::to_string(10 + j);
        body += "mad.lo.u32 " + name + ", %r1, 0x20002, " +
                std::to_string(1000 * j * 0x10001 + 0x10000) + ";\n";
      }
      body += "stmatrix.sync.aligned.m8n8.x" + std::to_string(count) +
              (transposed ? ".trans" : "") + ".shared.b16 [%r7], " + list("%r", 10, count) +
              ";\nbar.sync 0;\nld.shared.v4.u32 {%r3,%r4,%r5,%r6}, [%r7];\n"
              "st.global.v4.u32 [%d2], {%r3,%r4,%r5,%r6};\nret;";
      Session session(entry(".param .u64 out", body, ".shared .align 16 .b8 s[512];"));
      uint64_t out = session.undefined(512);
      expectClean(session.launch("kernel", {1}, {32}, {argument(out)}));
      auto got = session.read<uint16_t>(out, 256);
      for (int j = 0; j != 4; ++j)
        for (int row = 0; row != 8; ++row)
          for (int col = 0; col != 8; ++col) {
            int r = transposed ? col : row, c = transposed ? row : col;
            int expected = j < count ? 1000 * j + 2 * (4 * r + c / 2) + c % 2 : 0;
            ASSERT_EQ(got[64 * j + 8 * row + col], expected) << j << " " << row << " " << col;
          }
    }
}

TEST(MatrixForms, MoveMatrix) {
  Session session(entry(".param .u64 out", R"(
  .reg .b32 %r<4>; .reg .b64 %d<4>;
  ld.param.u64 %d1, [out]; mov.u32 %r1, %tid.x; mad.wide.u32 %d1, %r1, 4, %d1;
  mad.lo.u32 %r2, %r1, 0x20002, 0x10000;
  movmatrix.sync.aligned.m8n8.trans.b16 %r3, %r2;
  st.global.u32 [%d1], %r3; ret;)"));
  uint64_t out = session.undefined(128);
  expectClean(session.launch("kernel", {1}, {32}, {argument(out)}));
  auto got = session.read<uint16_t>(out, 64);
  for (int row = 0; row != 8; ++row)
    for (int col = 0; col != 8; ++col)
      EXPECT_EQ(got[8 * row + col], 8 * col + row);
}
