// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Single instructions that C has no operator for, against their definition in the PTX ISA written
// as a function, over corner and random inputs.

#include "InstructionCheck.h"

using namespace ptq::emulator;

TEST(Instruction, Shifts) {
  check("shl.b32 D, A, B", "rrrr", [](auto a, auto b, auto) { return b > 31 ? 0 : a << b; });
  check("shr.u32 D, A, B", "rrrr", [](auto a, auto b, auto) { return b > 31 ? 0 : a >> b; });
  check("shr.s32 D, A, B", "rrrr", [](auto a, auto b, auto) {
    return uint64_t(int64_t(int32_t(a)) >> std::min<uint64_t>(b, 31));
  });
  check("shr.s64 D, A, B", "ddrr",
        [](auto a, auto b, auto) { return uint64_t(int64_t(a) >> std::min<uint64_t>(b, 63)); });
  check("shl.b64 D, A, B", "ddrr", [](auto a, auto b, auto) { return b > 63 ? 0 : a << b; });
  check("shl.b16 D, A, B", "hhrr", [](auto a, auto b, auto) { return b > 15 ? 0 : a << b; });
  check("shf.l.wrap.b32 D, A, B, C", "rrrr",
        [](auto a, auto b, auto c) { return ((b << 32 | a) << (c & 31)) >> 32; });
  check("shf.r.clamp.b32 D, A, B, C", "rrrr",
        [](auto a, auto b, auto c) { return (b << 32 | a) >> std::min<uint64_t>(c, 32); });
}

TEST(Instruction, BitFields) {
  check("prmt.b32 D, A, B, C", "rrrr", [](auto a, auto b, auto c) {
    uint64_t bytes = b << 32 | a, result = 0;
    for (int i = 0; i != 4; ++i) {
      uint64_t s = c >> (4 * i) & 15, byte = bytes >> (8 * (s & 7)) & 255;
      result |= (s & 8 ? (byte & 128 ? 255 : 0) : byte) << (8 * i);
    }
    return result;
  });
  check("lop3.b32 D, A, B, C, 0x1d", "rrrr", [](auto a, auto b, auto c) {
    uint64_t result = 0;
    for (int i = 0; i != 32; ++i)
      result |= uint64_t(0x1d >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1)) & 1) << i;
    return result;
  });
  // The ISA's own pseudo-code.
  check("bfe.s32 D, A, B, C", "rrrr", [](auto a, auto b, auto c) {
    int msb = 31, pos = b & 255, len = c & 255;
    bool sign = len == 0 ? false : a >> std::min(pos + len - 1, msb) & 1;
    uint64_t d = 0;
    for (int i = 0; i <= msb; ++i)
      d |= uint64_t(i < len && pos + i <= msb ? a >> (pos + i) & 1 : sign) << i;
    return d;
  });
  check("bfe.u64 D, A, B, C", "ddrr", [](auto a, auto b, auto c) {
    int msb = 63, pos = b & 255, len = c & 255;
    uint64_t d = 0;
    for (int i = 0; i <= msb; ++i)
      d |= uint64_t(i < len && pos + i <= msb ? a >> (pos + i) & 1 : 0) << i;
    return d;
  });
  check("bfi.b32 D, A, B, C, 7", "rrrr", [](auto a, auto b, auto c) {
    int pos = c & 255;
    uint64_t f = b;
    for (int i = 0; i < 7 && pos + i <= 31; ++i)
      f = (f & ~(uint64_t(1) << (pos + i))) | (a >> i & 1) << (pos + i);
    return f;
  });
  check("bfind.u32 D, A", "rrrr", [](auto a, auto, auto) {
    for (int i = 31; i >= 0; --i)
      if (a >> i & 1)
        return uint64_t(i);
    return ~uint64_t(0);
  });
  check("bfind.s64 D, A", "rdrr", [](auto a, auto, auto) {
    for (int i = 62; i >= 0; --i)
      if ((a >> i & 1) != a >> 63)
        return uint64_t(i);
    return ~uint64_t(0);
  });
  check("clz.b32 D, A", "rrrr", [](auto a, auto, auto) {
    uint64_t count = 0;
    while (count < 32 && !(a >> (31 - count) & 1))
      ++count;
    return count;
  });
  check("popc.b64 D, A", "rdrr",
        [](auto a, auto, auto) { return uint64_t(__builtin_popcountll(a)); });
  check("brev.b32 D, A", "rrrr", [](auto a, auto, auto) {
    uint64_t d = 0;
    for (int i = 0; i != 32; ++i)
      d |= (a >> i & 1) << (31 - i);
    return d;
  });
}

TEST(Instruction, Integers) {
  check("mul.hi.s32 D, A, B", "rrrr",
        [](auto a, auto b, auto) { return uint64_t(int64_t(int32_t(a)) * int32_t(b)) >> 32; });
  check("mul.hi.u64 D, A, B", "dddr",
        [](auto a, auto b, auto) { return uint64_t((unsigned __int128)a * b >> 64); });
  check("mad.lo.s16 D, A, B, C", "hhhh", [](auto a, auto b, auto c) { return a * b + c; });
  check("sad.s32 D, A, B, C", "rrrr", [](auto a, auto b, auto c) {
    return c + uint64_t(std::llabs(int64_t(int32_t(a)) - int32_t(b)));
  });
  check("abs.s32 D, A", "rrrr",
        [](auto a, auto, auto) { return uint64_t(std::llabs(int32_t(a))); });
  check("add.sat.s32 D, A, B", "rrrr", [](auto a, auto b, auto) {
    return uint64_t(std::min<int64_t>(
        std::max<int64_t>(int64_t(int32_t(a)) + int32_t(b), INT32_MIN), INT32_MAX));
  });
  check("dp4a.s32.u32 D, A, B, C", "rrrr", [](auto a, auto b, auto c) {
    for (int i = 0; i != 4; ++i)
      c += uint64_t(int64_t(int8_t(a >> 8 * i)) * int64_t(b >> 8 * i & 255));
    return c;
  });
  check("dp2a.hi.u32.s32 D, A, B, C", "rrrr", [](auto a, auto b, auto c) {
    for (int i = 0; i != 2; ++i)
      c += uint64_t(int64_t(a >> 16 * i & 0xffff) * int8_t(b >> (16 + 8 * i)));
    return c;
  });
  check("{ add.cc.u32 D, A, B; addc.u32 D, C, 0; }", "rrrr",
        [](auto a, auto b, auto c) { return c + ((a + b) >> 32); });
  check("{ sub.cc.u32 D, A, B; subc.u32 D, C, 0; }", "rrrr",
        [](auto a, auto b, auto c) { return c - (a < b); });
}

TEST(Instruction, Conversions) {
  auto toInteger = [](double value, double low, double high) {
    return std::isnan(value) ? 0.0 : std::min(std::max(value, low), high);
  };
  check("cvt.rni.s32.f32 D, A", "rrrr", [&](auto a, auto, auto) {
    return uint64_t(
        int64_t(toInteger(std::nearbyint(double(asFloat(a))), -2147483648.0, 2147483647.0)));
  });
  check("cvt.rzi.u32.f32 D, A", "rrrr", [&](auto a, auto, auto) {
    return uint64_t(toInteger(std::trunc(double(asFloat(a))), 0, 4294967295.0));
  });
  check("cvt.rmi.s16.f32 D, A", "hrrr", [&](auto a, auto, auto) {
    return uint64_t(int64_t(toInteger(std::floor(double(asFloat(a))), -32768, 32767)));
  });
  check("cvt.rpi.s8.f32 D, A", "rrrr", [&](auto a, auto, auto) {
    return uint64_t(int64_t(toInteger(std::ceil(double(asFloat(a))), -128, 127)));
  });
  check("cvt.sat.s8.s32 D, A", "rrrr", [](auto a, auto, auto) {
    return uint64_t(std::min<int64_t>(std::max<int64_t>(int32_t(a), -128), 127));
  });
  check("cvt.sat.u8.s32 D, A", "rrrr", [](auto a, auto, auto) {
    return uint64_t(std::min<int64_t>(std::max<int64_t>(int32_t(a), 0), 255));
  });
  check("cvt.s32.s8 D, A", "rrrr", [](auto a, auto, auto) { return uint64_t(int64_t(int8_t(a))); });
  check("cvt.sat.f32.f32 D, A", "rrrr", [](auto a, auto, auto) {
    float value = asFloat(a);
    return value > 0 ? asBits(std::min(value, 1.0f)) : 0;
  });
#if defined(__FLT16_MAX__)
  auto half = [](double value) {
    auto rounded = static_cast<_Float16>(value);
    uint16_t bits;
    std::memcpy(&bits, &rounded, 2);
    return uint64_t(value != value ? 0x7fff : bits);
  };
  auto fromHalf = [](uint64_t bits) {
    uint16_t word = static_cast<uint16_t>(bits);
    _Float16 value;
    std::memcpy(&value, &word, 2);
    return static_cast<float>(value);
  };
  check("cvt.rn.f16.f32 D, A", "hrrr", [&](auto a, auto, auto) { return half(asFloat(a)); });
  check("cvt.rn.f16x2.f32 D, A, B", "rrrr",
        [&](auto a, auto b, auto) { return half(asFloat(a)) << 16 | half(asFloat(b)); });
  check("cvt.f32.f16 D, A", "rhrr", [&](auto a, auto, auto) {
    float value = fromHalf(a);
    return value != value ? 0x7fffffff : asBits(value);
  });
  auto eachHalf = [&](uint64_t a, uint64_t b, uint64_t c, auto op) {
    uint64_t result = 0;
    for (int shift : {0, 16})
      result |= half(op(double(fromHalf(a >> shift)), double(fromHalf(b >> shift)),
                        double(fromHalf(c >> shift))))
                << shift;
    return result;
  };
  // A sum or product of halves is exact in double, a fused one of moderate exponents too.
  check("add.rn.f16x2 D, A, B", "rrrr", [&](auto a, auto b, auto c) {
    return eachHalf(a, b, c, [](double x, double y, double) { return x + y; });
  });
  check("mul.rn.f16x2 D, A, B", "rrrr", [&](auto a, auto b, auto c) {
    return eachHalf(a, b, c, [](double x, double y, double) { return x * y; });
  });
  check("fma.rn.f16x2 D, A, B, C", "rrrr", [&](auto a, auto b, auto c) {
    return eachHalf(a, b, c, [](double x, double y, double z) { return x * y + z; });
  });
#endif
  check("cvt.rn.bf16.f32 D, A", "hrrr", [](auto a, auto, auto) {
    float value = asFloat(a);
    return value != value ? 0x7fff : (a + 0x7fff + (a >> 16 & 1)) >> 16;
  });
  check("cvt.rn.bf16x2.f32 D, A, B", "rrrr", [](auto a, auto b, auto) {
    auto one = [](uint64_t bits) {
      float value = asFloat(bits);
      return value != value ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    };
    return one(a) << 16 | one(b);
  });
}

TEST(Instruction, FloatExtremes) {
  auto smaller = [](uint64_t a, uint64_t b, bool propagate) -> uint64_t {
    float x = asFloat(a), y = asFloat(b);
    if (propagate ? x != x || y != y : x != x && y != y)
      return 0x7fffffff;
    if (x != x)
      return b;
    if (y != y)
      return a;
    return x == y ? a | b : x < y ? a : b;
  };
  check("min.f32 D, A, B", "rrrr", [&](auto a, auto b, auto) { return smaller(a, b, false); });
  check("min.NaN.f32 D, A, B", "rrrr", [&](auto a, auto b, auto) { return smaller(a, b, true); });
  auto flush = [](uint64_t a) { return a & 0x7f800000 ? a : a & 0x80000000; };
  check("add.ftz.f32 D, A, B", "rrrr", [&](auto a, auto b, auto) {
    float sum = asFloat(flush(a)) + asFloat(flush(b));
    return sum != sum ? 0x7fffffff : flush(asBits(sum));
  });
  check("{ setp.lt.f32 %p1, A, B; selp.u32 D, 1, 0, %p1; }", "rrrr",
        [](auto a, auto b, auto) { return uint64_t(asFloat(a) < asFloat(b)); });
  check("{ setp.geu.f32 %p1, A, B; selp.u32 D, 1, 0, %p1; }", "rrrr",
        [](auto a, auto b, auto) { return uint64_t(!(asFloat(a) < asFloat(b))); });
  check("copysign.f32 D, A, B", "rrrr",
        [](auto a, auto b, auto) { return (a & 0x80000000) | (b & 0x7fffffff); });
  check("set.gt.f16x2.f16x2 D, A, A", "rrrr", [](auto, auto, auto) { return uint64_t(0); });
}
