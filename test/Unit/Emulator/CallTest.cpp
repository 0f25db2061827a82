// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector registers, calls through pointers, the stack, elements of arrays and scalar video
// instructions, executed.

#include "Run.h"

using namespace ptq::emulator;

namespace {
/// What one launch of `kernel` with 32 threads leaves in `count` words of its only buffer.
std::vector<uint32_t> run(llvm::StringRef ptx, size_t count, std::vector<uint32_t> input = {}) {
  Session session(ptx);
  input.resize(count);
  uint64_t buffer = session.buffer(input);
  std::vector<char> argument(8);
  std::memcpy(argument.data(), &buffer, 8);
  expectClean(session.launch("kernel", {1, 1, 1}, {32, 1, 1}, {argument}));
  return session.read<uint32_t>(buffer, count);
}
/// The findings of a launch, described.
std::vector<std::string> findings(llvm::StringRef ptx) {
  Session session(ptx);
  uint64_t buffer = session.undefined(128);
  std::vector<char> argument(8);
  std::memcpy(argument.data(), &buffer, 8);
  std::vector<std::string> result;
  for (const Finding &finding :
       session.launch("kernel", {1, 1, 1}, {32, 1, 1}, {argument}).findings)
    result.push_back(describe(finding));
  return result;
}
constexpr const char *address = ".reg .b64 out, w; .reg .b32 t, r; ld.param.u64 out, [p];\n"
                                "mov.u32 t, %tid.x; mul.wide.u32 w, t, 4; add.u64 w, w, out;\n";
std::string withAddress(llvm::StringRef body, llvm::StringRef declarations = "") {
  return entry(".param .u64 p", (address + body).str(), declarations);
}
} // namespace

TEST(VectorRegisters, ElementsAreRegisters) {
  auto result = run(withAddress(R"(
.reg .v4 .u32 a<2>; .reg .v2 .b16 h; .reg .b64 d; .reg .pred first;
setp.ne.u32 first, t, 0;
@first ret;
ld.global.v4.u32 a0, [out];
mov.v4.u32 a1, {a0.w, a0.b, a0.g, a0.r};
add.u32 a1.x, a1.x, 100;
st.global.v4.u32 [out+16], a1;
mov.b64 d, {a0.x, a0.y};
st.global.u64 [out+32], d;
mov.b32 h, a0.z;
mov.b32 r, {h.y, h.x};
st.global.u32 [out+40], r;
mov.b32 r, {0x5678, h.x};
st.global.u32 [out+44], r;
)"),
                    12, {1, 2, 0x30004, 5});
  EXPECT_EQ(result,
            (std::vector<uint32_t>{1, 2, 0x30004, 5, 105, 0x30004, 2, 1, 1, 2, 0x40003, 0x45678}));
}

TEST(VectorRegisters, AreParametersAndResults) {
  auto result = run(withAddress(R"(
.reg .v2 .u32 v;
mov.v2.u32 v, {t, 7};
call (v), swap, (v);
mad.lo.u32 r, v.x, 1000, v.y;
st.global.u32 [w], r;
)",
                                R"(.func (.reg .v2 .u32 q) swap(.reg .v2 .u32 p) {
mov.v2.u32 q, {p.y, p.x};
ret;
})"),
                    32);
  for (unsigned lane = 0; lane != 32; ++lane)
    EXPECT_EQ(result[lane], 7000 + lane);
}

TEST(VectorRegisters, Errors) {
  auto error = [](llvm::StringRef body) { return loadError(withAddress(body)); };
  EXPECT_NE(error(".reg .v4 .b64 v;").find("no vectors of 4"), std::string::npos);
  EXPECT_NE(error(".reg .v2 .pred v;").find("no vectors of 2"), std::string::npos);
  EXPECT_NE(error(".reg .v2 .u32 v; mov.u32 r, v.z;").find("no element"), std::string::npos);
  EXPECT_NE(error(".reg .v2 .u32 v; mov.u32 r, v;"), "");
  EXPECT_NE(error(".reg .v2 .u32 v; ld.global.v4.u32 v, [out];"), "");
  EXPECT_NE(error(".reg .v2 .u32 v; mov.v4.u32 v, {v, v};"), "");
}

static const char *functions = R"(
.func (.reg .u32 r) twice(.reg .u32 q) { add.u32 r, q, q; ret; }
.func (.reg .u32 r) square(.reg .u32 q) { mul.lo.u32 r, q, q; ret; }
.func (.reg .u32 r) sum(.reg .u32 q, .reg .u32 s) { add.u32 r, q, s; ret; }
.func (.param .b32 r) next(.param .b32 q) {
.reg .b32 x; ld.param.u32 x, [q]; add.u32 x, x, 1; st.param.u32 [r], x; ret; }
.global .u64 table[3] = {twice, 0, next};
)";

TEST(IndirectCalls, LanesCallDifferentFunctions) {
  auto result = run(withAddress(R"(
.reg .b64 f, g; .reg .pred odd, skip; .reg .b32 u;
prototype: .callprototype (.reg .u32 _) _ (.reg .u32 _);
mov.u64 f, square;
ld.global.u64 g, [table];
and.b32 u, t, 1;
setp.ne.u32 odd, u, 0;
selp.b64 f, f, g, odd;
and.b32 u, t, 6;
setp.eq.u32 skip, u, 6;
mov.u32 r, 1000;
@!skip call (r), f, (t), prototype;
bar.warp.sync 0xffffffff; // they have all met again
st.global.u32 [w], r;
)",
                                functions),
                    32);
  for (uint32_t lane = 0; lane != 32; ++lane)
    EXPECT_EQ(result[lane], (lane & 6) == 6 ? 1000 : lane & 1 ? lane * lane : 2 * lane);
}

TEST(IndirectCalls, ParametersInMemory) {
  auto result = run(withAddress(R"(
.reg .b64 f;
.param .b32 q; .param .b32 s;
targets: .calltargets next;
ld.global.u64 f, [table+16];
st.param.b32 [q], t;
call.uni (s), f, (q), targets;
ld.param.b32 r, [s];
st.global.u32 [w], r;
)",
                                functions),
                    32);
  for (uint32_t lane = 0; lane != 32; ++lane)
    EXPECT_EQ(result[lane], lane + 1);
}

TEST(IndirectCalls, WhatIsNoFunctionIsFound) {
  auto found = [](llvm::StringRef pointer) {
    auto all = findings(withAddress((".reg .b64 f; mov.u64 f, " + pointer +
                                     ";\nP: .callprototype (.reg .u32 _) _ (.reg .u32 _);\n"
                                     "call (r), f, (1), P;\nst.global.u32 [w], r;")
                                        .str(),
                                    functions));
    return all.size() == 1 ? all.front() : std::string();
  };
  EXPECT_NE(found("-1").find("not one of a function"), std::string::npos);
  EXPECT_NE(found("kernel").find("not one of a function"), std::string::npos);
  EXPECT_NE(found("sum").find("differs from the call's prototype"), std::string::npos);
  EXPECT_NE(found("next").find("differs from the call's prototype"), std::string::npos);
  auto undefined = findings(withAddress(".reg .b64 f;\nP: .callprototype _ ();\ncall f, P;"));
  ASSERT_FALSE(undefined.empty());
  EXPECT_NE(undefined.front().find("uninitialised"), std::string::npos);
}

TEST(IndirectCalls, Errors) {
  auto error = [](llvm::StringRef body) {
    return loadError(withAddress((".reg .b64 f; mov.u64 f, twice;\n" + body).str(), functions));
  };
  EXPECT_NE(error("call (r), f, (t);").find("needs a .callprototype"), std::string::npos);
  EXPECT_NE(error("call (r), f, (t), P;").find("'P' is not"), std::string::npos);
  EXPECT_NE(error("P: .callprototype (.reg .u32 _) _ (.reg .u32 _); call (r), f, (t, t), P;"), "");
  EXPECT_NE(error("P: .callprototype (.reg .u32 _) _ (.reg .u32 _); call (r), f, (f), P;"), "");
  EXPECT_NE(error("P: .callprototype (.reg .u32 _) _ (.reg .u32 _); bra P;"), "");
  EXPECT_NE(error("P: .calltargets kernel; call (r), f, (t), P;"), "");
  EXPECT_EQ(error("P: .callprototype (.reg .u32 _) _ (.reg .u32 _); call (_), f, (5), P;"), "");
}

TEST(Stack, EachLaneHasItsOwn) {
  auto result = run(withAddress(R"(
.reg .b64 a, b, top, bytes; .reg .b32 x;
add.u32 x, t, 1;
mul.wide.u32 bytes, x, 4;
stacksave.u64 top;
alloca.u64 a, bytes, 16;
alloca.u64 b, 8;
st.local.u32 [a], t;
st.local.u32 [b], 7;
call (x), deeper, (t);
ld.local.u32 r, [a];
add.u32 r, r, x;
ld.local.u32 x, [b];
add.u32 r, r, x;
stackrestore.u64 top;
st.global.u32 [w], r;
)",
                                R"(.func (.reg .u32 r) deeper(.reg .u32 q) {
.reg .b64 a;
alloca.u64 a, 64;
st.local.u32 [a+60], q;
ld.local.u32 r, [a+60];
ret;
})"),
                    32);
  for (uint32_t lane = 0; lane != 32; ++lane)
    EXPECT_EQ(result[lane], 2 * lane + 7);
}

TEST(Stack, MistakesAreFound) {
  auto fresh = findings(
      withAddress(".reg .b64 a; alloca.u64 a, 8; ld.local.u32 r, [a]; st.global.u32 [w], r;"));
  ASSERT_EQ(fresh.size(), 1u);
  EXPECT_NE(fresh[0].find("uninitialised"), std::string::npos);
  auto huge = findings(withAddress(".reg .b64 a; alloca.u64 a, 0x100000;"));
  ASSERT_EQ(huge.size(), 1u);
  EXPECT_NE(huge[0].find("512 KiB"), std::string::npos);
  auto wrong = findings(withAddress(".reg .b64 a; mov.u64 a, 4096; stackrestore.u64 a;"));
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_NE(wrong[0].find("stacksave"), std::string::npos);
}

/// Of numbers of 32 bits; sub's flag is set where nothing was borrowed.
TEST(Carries, AddAndSubMixed) {
  auto result = run(withAddress(R"(
.reg .b32 x; .reg .pred first;
setp.ne.u32 first, t, 0;
@first ret;
sub.cc.u32 x, 0, 1; addc.u32 x, 0, 0; st.global.u32 [out], x;
sub.cc.u32 x, 1, 1; addc.u32 x, 0, 0; st.global.u32 [out+4], x;
add.cc.u32 x, 0, 0; subc.u32 x, 5, 1; st.global.u32 [out+8], x;
add.cc.u32 x, -1, 1; subc.u32 x, 5, 1; st.global.u32 [out+12], x;
sub.cc.u32 x, 0, 1; subc.cc.u32 x, 0, 0; subc.u32 x, 5, 1; st.global.u32 [out+16], x;
)"),
                    5);
  EXPECT_EQ(result, (std::vector<uint32_t>{0, 1, 3, 4, 3}));
}

TEST(Operands, RegisterPlusConstant) {
  auto result = run(withAddress(R"(
.local .b32 l; .reg .pred even; .reg .b32 x;
st.u32 [l], t + 1;
ld.u32 r, [l];
and.b32 x, t, 1;
setp.eq.u32 even, x+1, 1;
@even add.u32 r, r + 100, t+-1;
st.global.u32 [w], r;
)"),
                    32);
  for (uint32_t lane = 0; lane != 32; ++lane)
    EXPECT_EQ(result[lane], lane % 2 ? lane + 1 : 2 * lane + 100);
  EXPECT_NE(loadError(withAddress(".reg .f32 f; st.global.f32 [w], f + 1;")), "");
}

TEST(Arrays, ConstantSubscripts) {
  auto result = run(withAddress(R"(
.reg .b16 h; .reg .b64 a;
ld.const.u16 r, table[2];
st.global.u32 [w], r;
mov.u64 a, table[1];
ld.const.u16 h, [a];
st.global.u16 [w+2], h;
)",
                                ".const .b16 table[2][2] = {{10, 20}, {30, 40}};"),
                    32);
  EXPECT_EQ(result, std::vector<uint32_t>(32, 20 << 16 | 30));
}

/// Each statement's result by the definition in the PTX ISA, worked out by hand.
TEST(Video, Results) {
  struct Case {
    const char *statement;
    uint32_t expected;
  } cases[] = {
      // a = 0x80ff7f01, b = 0xfffe0203, c = 100
      {"vadd.s32.s32.s32 r, a.b2, b.b0", 2},                                 // -1 + 3
      {"vadd.u32.u32.u32 r, a.b2, b.b0", 258},                               // 255 + 3
      {"vadd.s32.s32.s32.add r, a.h1, b.h1, c", uint32_t(100 - 0x7f01 - 2)}, // -0x7f01 - 2 + 100
      {"vadd.u32.s32.s32.sat r, a.b2, b.b2", 0},                             // -1 - 2 < 0
      {"vsub.s32.u32.u32 r, a.b0, b.b0", uint32_t(-2)},
      {"vsub.u32.u32.u32.sat.max r, a.b0, b.b0, c", 100},
      {"vabsdiff.u32.s32.u32 r, a.b3, b.b3", 128 + 255},
      {"vmin.s32.s32.u32 r, a.b3, b.b3", uint32_t(-128)},
      {"vmax.s32.s32.u32.min r, a.b3, b.b3, c", 100},
      {"vmin.s32.s32.s32.max r, a.b3, b.b0, c", 100},
      {"vadd.u32.u32.u32 r.b0, a.b0, b.b0, c", 4},
      {"vadd.u32.u32.u32 r.b1, a.b0, b.b0, c", 4 << 8 | 100},
      {"vadd.u32.u32.u32.sat r.b1, a.b2, b.b0, c", 255 << 8 | 100},
      {"vadd.u32.u32.u32 r.b1, a.b2, b.b0, c", 2 << 8 | 100},
      {"vsub.s32.s32.s32.sat r.h1, a, b.b0, c", 0x80000064},
      {"vshl.u32.u32.u32.clamp r, a.b0, c", 0},
      {"vshl.u32.u32.u32.wrap r, a.b0, c", 1 << (100 % 32)},
      {"vshl.s32.u32.u32.sat.clamp r, a.b1, c", 0x7fffffff},
      {"vshr.u32.u32.u32.clamp.add r, a, 16, c", 0x80ff + 100},
      {"vshr.s32.s32.u32.clamp r, a, 200", ~0u},
      {"vshr.s32.s32.u32.wrap r, a, 200", 0xff80ff7f},
      {"vset.s32.u32.lt r, a.b3, b.b0", 1}, // -128 < 3
      {"vset.u32.u32.lt r, a.b3, b.b0", 0}, // 128 > 3
      {"vset.u32.u32.ge.add r, a.b3, b.b0, c", 101},
      {"vset.u32.u32.ne r.h1, a.b3, b.b0, c", 1 << 16 | 100},
  };
  for (const Case &test : cases) {
    auto result = run(withAddress(std::string(".reg .b32 a, b, c; mov.u32 a, 0x80ff7f01;\n"
                                              "mov.u32 b, 0xfffe0203; mov.u32 c, 100;\n") +
                                  test.statement + ";\nst.global.u32 [w], r;"),
                      32);
    EXPECT_EQ(result.back(), test.expected) << test.statement;
  }
}
