// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions on integers that compilers of C do not write, each against the PTX ISA's text or
// pseudo-code as a function on the host.

#include "InstructionCheck.h"

using namespace ptq::emulator;

using U = uint64_t;

TEST(Semantics, MultiplicationAndCarries) {
  auto low24 = [](U a) { return int64_t(int32_t(a << 8)) >> 8; };
  check("mul24.lo.s32 D, A, B", "rrrr", [&](U a, U b, U) { return U(low24(a) * low24(b)); });
  check("mul24.hi.s32 D, A, B", "rrrr", [&](U a, U b, U) { return U(low24(a) * low24(b) >> 16); });
  check("mul24.hi.u32 D, A, B", "rrrr",
        [](U a, U b, U) { return (a & 0xffffff) * (b & 0xffffff) >> 16; });
  check("mad24.lo.u32 D, A, B, C", "rrrr",
        [](U a, U b, U c) { return (a & 0xffffff) * (b & 0xffffff) + c; });
  check("mad24.hi.sat.s32 D, A, B, C", "rrrr", [&](U a, U b, U c) {
    int64_t sum = (low24(a) * low24(b) >> 16) + int32_t(c);
    // The product's part is of 32 bits.
    sum = int64_t(int32_t(low24(a) * low24(b) >> 16)) + int32_t(c);
    return U(std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX));
  });
  check("mad.hi.sat.s32 D, A, B, C", "rrrr", [](U a, U b, U c) {
    int64_t sum = (int64_t(int32_t(a)) * int32_t(b) >> 32) + int32_t(c);
    return U(std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX));
  });
  check("mad.hi.u16 D, A, B, C", "hhhh", [](U a, U b, U c) { return (a * b >> 16) + c; });
  check("mad.wide.s16 D, A, B, C", "rhhr",
        [](U a, U b, U c) { return U(int64_t(int16_t(a)) * int16_t(b)) + c; });
  check("{ mad.lo.cc.u32 D, A, B, C; madc.hi.u32 D, A, B, 0; }", "rrrr",
        [](U a, U b, U c) { return (a * b >> 32) + (((a * b & 0xffffffff) + c) >> 32); });
  check("{ sub.cc.u64 D, A, B; subc.u64 D, C, 0; }", "dddd",
        [](U a, U b, U c) { return c - (a < b); });
  check("{ add.cc.s64 D, A, B; addc.cc.u64 D, C, -1; addc.u64 D, 0, 0; }", "dddd",
        [](U a, U b, U c) { return U(((unsigned __int128)c + ~U(0) + (a + b < a)) >> 64); });
  check("sad.u64 D, A, B, C", "dddd", [](U a, U b, U c) { return c + (a < b ? b - a : a - b); });
  check("sad.s16 D, A, B, C", "hhhh",
        [](U a, U b, U c) { return c + U(std::abs(int16_t(a) - int16_t(b))); });
  check("min.s16x2 D, A, B", "rrrr", [](U a, U b, U) {
    return perHalf(a, b, 0, [](U x, U y, U) { return U(uint16_t(std::min<int16_t>(x, y))); });
  });
  check("max.relu.s16x2 D, A, B", "rrrr", [](U a, U b, U) {
    return perHalf(a, b, 0, [](U x, U y, U) {
      return U(uint16_t(std::max<int16_t>(0, std::max<int16_t>(x, y))));
    });
  });
  check("min.relu.s32 D, A, B", "rrrr",
        [](U a, U b, U) { return U(std::max<int32_t>(0, std::min<int32_t>(a, b))); });
  for (const char *signs : {"u32.u32", "u32.s32", "s32.u32", "s32.s32"}) {
    bool sa = signs[0] == 's', sb = signs[4] == 's';
    auto byte = [](U word, int i, bool isSigned) {
      return isSigned ? int64_t(int8_t(word >> 8 * i)) : int64_t(word >> 8 * i & 255);
    };
    check(std::string("dp4a.") + signs + " D, A, B, C", "rrrr", [=](U a, U b, U c) {
      for (int i = 0; i != 4; ++i)
        c += U(byte(a, i, sa) * byte(b, i, sb));
      return c;
    });
    for (int high : {0, 1})
      check(std::string(high ? "dp2a.hi." : "dp2a.lo.") + signs + " D, A, B, C", "rrrr",
            [=](U a, U b, U c) {
              for (int i = 0; i != 2; ++i) {
                int64_t wide = sa ? int64_t(int16_t(a >> 16 * i)) : int64_t(a >> 16 * i & 0xffff);
                c += U(wide * byte(b, i + 2 * high, sb));
              }
              return c;
            });
  }
}

TEST(Semantics, BitManipulation) {
  for (bool clamp : {false, true}) {
    std::string mode = clamp ? "clamp" : "wrap";
    check("bmsk." + mode + ".b32 D, A, B", "rrrr", [=](U a, U b, U) {
      U begin = a & 31, length = b & 31, mask0 = 0xffffffffu << begin & 0xffffffff;
      U sum = begin + length, mask1 = sum >= 32 ? 0 : 0xffffffffu << sum & 0xffffffff;
      if (clamp && a >= 32)
        mask0 = 0;
      if (clamp && b >= 32)
        mask1 = 0;
      return mask0 & ~mask1;
    });
    check("szext." + mode + ".s32 D, A, B", "rrrr", [=](U a, U b, U) {
      if (clamp && b >= 32)
        return a;
      U length = b & 31;
      return length == 0 ? 0 : U(int64_t(a << (64 - length)) >> (64 - length));
    });
    check("szext." + mode + ".u32 D, A, B", "rrrr",
          [=](U a, U b, U) { return clamp && b >= 32 ? a : a & ((U(1) << (b & 31)) - 1); });
    check("shf.l." + mode + ".b32 D, A, B, C", "rrrr", [=](U a, U b, U c) {
      U n = clamp ? std::min<U>(c, 32) : c & 31;
      return n == 32 ? a : (b << n) | (n ? a >> (32 - n) : 0);
    });
    check("shf.r." + mode + ".b32 D, A, B, C", "rrrr", [=](U a, U b, U c) {
      U n = clamp ? std::min<U>(c, 32) : c & 31;
      return n == 32 ? b : (n ? b << (32 - n) : 0) | a >> n;
    });
  }
  check("bfind.shiftamt.s32 D, A", "rrrr", [](U a, U, U) {
    U bits = (int32_t(a) < 0 ? ~a : a) & 0xffffffff;
    return bits ? U(__builtin_clz(uint32_t(bits))) : ~U(0);
  });
  check("bfind.shiftamt.u64 D, A", "rdrr",
        [](U a, U, U) { return a ? U(__builtin_clzll(a)) : ~U(0); });
  check("clz.b64 D, A", "rdrr", [](U a, U, U) { return a ? U(__builtin_clzll(a)) : 64; });
  check("brev.b64 D, A", "ddrr", [](U a, U, U) {
    U d = 0;
    for (int i = 0; i != 64; ++i)
      d |= (a >> i & 1) << (63 - i);
    return d;
  });
  check("cnot.b16 D, A", "hhhh", [](U a, U, U) { return U(a == 0); });
  check("fns.b32 D, A, B, C", "rrrr", [](U a, U b, U c) {
    int n = int32_t(c);
    std::vector<int> set;
    if (b > 31)
      return ~U(0);
    if (n == 0)
      return a >> b & 1 ? b : ~U(0);
    for (int i = int(b); n > 0 ? i < 32 : i >= 0; i += n > 0 ? 1 : -1)
      if (a >> i & 1)
        set.push_back(i);
    U wanted = U(std::llabs(int64_t(n)));
    return wanted <= set.size() ? U(set[wanted - 1]) : ~U(0);
  });
  // The ISA's table of selectors, bytes b3 to b0.
  static const char *const modes[][4] = {
      {"3210", "4321", "5432", "6543"}, {"5670", "6701", "7012", "0123"},
      {"0000", "1111", "2222", "3333"}, {"3210", "3211", "3222", "3333"},
      {"0000", "1110", "2210", "3210"}, {"1010", "3232", "1010", "3232"}};
  const char *names[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  for (int mode = 0; mode != 6; ++mode)
    check(std::string("prmt.b32.") + names[mode] + " D, A, B, C", "rrrr", [=](U a, U b, U c) {
      U bytes = b << 32 | a, d = 0;
      for (int i = 0; i != 4; ++i)
        d |= (bytes >> 8 * (modes[mode][c & 3][3 - i] - '0') & 255) << 8 * i;
      return d;
    });
  check(
      "{ setp.gt.s32 %p0, C, 100; lop3.or.b32 D|%p1, A, B, C, 0x80, %p0; selp.b32 D, 1, 0, %p1; }",
      "rrrr", [](U a, U b, U c) { return U((a & b & c) != 0 || int32_t(c) > 100); });
  check("{ setp.gt.s32 %p0, C, 100; lop3.and.b32 D|%p1, A, B, C, 0xfe, !%p0; selp.b32 D, D, 7, "
        "%p1; }",
        "rrrr",
        [](U a, U b, U c) { return (a | b | c) != 0 && int32_t(c) <= 100 ? (a | b | c) : U(7); });
}

TEST(Semantics, Selection) {
  check("slct.b32.s32 D, A, B, C", "rrrr", [](U a, U b, U c) { return int32_t(c) >= 0 ? a : b; });
  check("slct.b64.f32 D, A, B, C", "dddr", [](U a, U b, U c) { return asFloat(c) >= 0 ? a : b; });
  check("slct.ftz.u32.f32 D, A, B, C", "rrrr", [](U a, U b, U c) {
    bool zero = (c & 0x7f800000) == 0;
    return zero || asFloat(c) >= 0 ? a : b;
  });
}
