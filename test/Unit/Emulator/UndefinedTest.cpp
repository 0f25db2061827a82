// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values that are undefined in part: of a word in memory only the lower half was ever written. What
// uses that half alone is clean; what lets the other half through is found, where it was read.

#include "Run.h"

using namespace ptq::emulator;

namespace {
/// Runs `body`, which has the half-defined word in %r1 (line 10) and stores to [%d2].
std::vector<Finding> run(const std::string &body) {
  Session session(entry(".param .u64 in, .param .u64 out",
                        ".reg .b16 %h<6>; .reg .b32 %r<8>; .reg .b64 %d<4>; .reg .pred %p<2>;\n"
                        "ld.param.u64 %d1, [in]; ld.param.u64 %d2, [out];\n"
                        "ld.global.u32 %r1, [%d1];\n" +
                            body + "\nret;",
                        ".shared .align 4 .b8 s[64];"));
  uint64_t in = session.undefined(4), out = session.undefined(64);
  uint16_t half = 0x1234;
  session.check(session.device->write(
      in, llvm::ArrayRef<char>(reinterpret_cast<const char *>(&half), sizeof(half))));
  return session.launch("kernel", {1}, {1}, {argument(in), argument(out)}).findings;
}
void expectClean(const std::string &body) {
  for (const Finding &finding : run(body))
    ADD_FAILURE() << body << ": " << describe(finding);
}
void expectFound(const std::string &body) {
  auto findings = run(body);
  ASSERT_EQ(findings.size(), 1u) << body;
  EXPECT_EQ(findings[0].check, Check::Uninitialised) << body;
  EXPECT_EQ(findings[0].line, 9u) << body;
}
} // namespace

TEST(Undefined, HalvesOfAPair) {
  expectClean("mov.b32 {%h1, %h2}, %r1; st.global.u16 [%d2], %h1;");
  expectFound("mov.b32 {%h1, %h2}, %r1; st.global.u16 [%d2], %h2;");
  expectClean("mov.b32 {%h1, %h2}, %r1; mov.b32 %r2, {%h2, %h1}; shr.u32 %r2, %r2, 16; "
              "st.global.u32 [%d2], %r2;");
  expectFound("mov.b32 {%h1, %h2}, %r1; mov.b32 %r2, {%h1, %h2}; st.global.u32 [%d2], %r2;");
  expectClean("mov.b32 %r2, 0x3c003c00; add.rn.f16x2 %r3, %r1, %r2; st.global.u16 [%d2], %r3;");
  expectFound("mov.b32 %r2, 0x3c003c00; add.rn.f16x2 %r3, %r1, %r2; st.global.u32 [%d2], %r3;");
  expectClean("mov.b64 %d3, {%r1, %r1}; cvt.u32.u64 %r2, %d3; st.global.u16 [%d2], %r2;");
}

TEST(Undefined, BitsThatAreMoved) {
  expectClean("and.b32 %r2, %r1, 0xffff; st.global.u32 [%d2], %r2;");
  expectClean("or.b32 %r2, %r1, 0xffff0000; st.global.u32 [%d2], %r2;");
  expectFound("and.b32 %r2, %r1, 0x1ffff; st.global.u32 [%d2], %r2;");
  expectFound("xor.b32 %r2, %r1, 0xffff; st.global.u32 [%d2], %r2;");
  expectClean("and.b32 %r1, %r1, 0xffff; st.global.u32 [%d2], %r1;");
  expectClean("shl.b32 %r2, %r1, 16; st.global.u32 [%d2], %r2;");
  expectFound("shr.u32 %r2, %r1, 16; st.global.u32 [%d2], %r2;");
  expectFound("shl.b32 %r2, %r1, 15; st.global.u32 [%d2], %r2;");
  expectClean("bfe.u32 %r2, %r1, 4, 12; st.global.u32 [%d2], %r2;");
  expectFound("bfe.u32 %r2, %r1, 4, 13; st.global.u32 [%d2], %r2;");
  expectClean("prmt.b32 %r2, %r1, 0, 0x4140; st.global.u32 [%d2], %r2;");
  expectFound("prmt.b32 %r2, %r1, 0, 0x4142; st.global.u32 [%d2], %r2;");
  expectClean("lop3.b32 %r2, %r1, 0xf0f, 0x64006400, 0xea; st.global.u32 [%d2], %r2;");
  expectFound("lop3.b32 %r2, %r1, 0xf0f0f, 0x64006400, 0xea; st.global.u32 [%d2], %r2;");
  expectClean("cvt.s32.s16 %r2, %r1; st.global.u32 [%d2], %r2;");
  expectClean("cvt.u16.u32 %h1, %r1; cvt.rn.f32.u16 %r2, %h1; st.global.u32 [%d2], %r2;");
  expectFound("cvt.rn.f32.s32 %r2, %r1; st.global.u32 [%d2], %r2;");
  expectClean("add.s32 %r2, %r1, 7; st.global.u16 [%d2], %r2;");
  expectFound("add.s32 %r2, %r1, 7; st.global.u32 [%d2], %r2;");
  expectFound("mul.hi.u32 %r2, %r1, 7; st.global.u16 [%d2], %r2;");
}

TEST(Undefined, ThroughMemoryAndLanes) {
  expectClean("st.shared.u32 [s], %r1; ld.shared.u16 %h1, [s]; st.global.u16 [%d2], %h1;");
  EXPECT_FALSE(
      run("st.shared.u32 [s], %r1; ld.shared.u16 %h1, [s+2]; st.global.u16 [%d2], %h1;").empty());
  expectClean("shfl.sync.idx.b32 %r2, %r1, 0, 31, 1; st.global.u16 [%d2], %r2;");
  expectFound("shfl.sync.idx.b32 %r2, %r1, 0, 31, 1; st.global.u32 [%d2], %r2;");
  expectClean("setp.eq.s32 %p1, 0, 0; selp.b32 %r2, %r1, 0, %p1; st.global.u16 [%d2], %r2;");
  expectFound("and.b32 %r2, %r1, 0x10000; setp.eq.u32 %p1, %r2, 0; @%p1 st.global.u16 [%d2], 1;");
  expectClean("and.b32 %r2, %r1, 0x1000; setp.eq.u32 %p1, %r2, 0; @%p1 st.global.u16 [%d2], 1;");
}
