// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is not PTX is refused when it is loaded, with line and column; nothing that a file may
// contain makes the parser crash or hang.

#include "Run.h"

#include <random>

using namespace ptq::emulator;

namespace {
/// Registers of every type that the lines below name.
std::string withRegisters(llvm::StringRef line) {
  return entry(".param .u64 p",
               (".reg .pred %p<4>;\n.reg .b16 %h<4>;\n.reg .u16 %us<4>;\n.reg .s16 %ss<4>;\n"
                ".reg .b32 %r<16>;\n.reg .u32 %u<4>;\n.reg .s32 %s<4>;\n.reg .f32 %f<8>;\n"
                ".reg .b64 %rd<4>;\n.reg .u64 %ud<4>;\n.reg .s64 %sd<4>;\n.reg .f64 %fd<4>;\n" +
                line + "\nL:\nret;")
                   .str());
}
/// Lines that ptxas 13.0 refuses as well (checked by ptxas where it is installed:
/// RejectedByPtxasToo).
constexpr const char *rejected[] = {
    "add.s32 %r1, %r2;",
    "add.s32 %r1, %r2, %r3, %r4;",
    "add.s32 %r1, %f2, %r3;",
    "add.s32 %f1, %r2, %r3;",
    "add.s32 %r1, %r2, %rd3;",
    "add.s32 %rd1, %r2, %r3;",
    "add.s64 %rd1, %r2, %rd3;",
    "add.f32 %f1, %f2, %s3;",
    "add.f32 %u1, %f2, %f3;",
    "add.f64 %f1, %fd2, %fd3;",
    "add.f32 %f1, %f2, 1;",
    "add.s32 %r1, %r2, 0f3F800000;",
    "add.u8 %r1, %r2, %r3;",
    "add.s32 %r1, %r2, %p1;",
    "add.s32 %p1, %r2, %r3;",
    "add.s32 5, %r2, %r3;",
    "add.s32 %r1, %r2, %nothing;",
    "add.sat.u32 %r1, %r2, %r3;",
    "add.rn.s32 %r1, %r2, %r3;",
    "add.b32 %r1, %r2, %r3;",
    "mul.s32 %r1, %r2, %r3;",
    "mul.wide.s32 %r1, %r2, %r3;",
    "mul.wide.s64 %rd1, %rd2, %rd3;",
    "mad.wide.u32 %rd1, %r2, %r3, %r4;",
    "and.s32 %r1, %r2, %r3;",
    "and.b32 %r1, %r2, %rd3;",
    "and.pred %p1, %p2, %r3;",
    "not.pred %r1, %p2;",
    "shl.b32 %r1, %r2, %rd3;",
    "shl.s32 %r1, %r2, 1;",
    "setp.lt.s32 %r1, %r2, %r3;",
    "setp.lt.b32 %p1, %r2, %r3;",
    "setp.ltu.s32 %p1, %r2, %r3;",
    "setp.lo.s32 %p1, %r2, %r3;",
    "selp.b32 %r1, %r2, %r3, %r4;",
    "selp.f32 %f1, %s2, %f3, %p1;",
    "cvt.f32.s32 %f1, %r2;",
    "cvt.rn.s32.f32 %r1, %f2;",
    "cvt.rn.f32.s32 %fd1, %r2;",
    "cvt.f64.f32 %fd1, %fd2;",
    "cvt.u32.u64 %r1, %r2;",
    "ld.global.u32 %r1, [%r2];",
    "ld.global.u32 %r1, %rd2;",
    "ld.global.u64 %r1, [%rd2];",
    "ld.global.f32 %sd1, [%rd2];",
    "ld.global.v2.u32 %r1, [%rd2];",
    "ld.global.v2.u32 {%r1,%r2,%r3}, [%rd2];",
    "ld.global.v3.u32 {%r1,%r2,%r3}, [%rd2];",
    "ld.nowhere.u32 %r1, [%rd2];",
    "st.global.u32 [%rd1], %rd2, %r3;",
    "st.global.u64 [%rd1], %r2;",
    "st.global.u32 %r1, [%rd2];",
    "st.const.u32 [%rd1], %r2;",
    "mov.u32 %r1, %rd2;",
    "mov.f32 %f1, %s2;",
    "mov.b64 %rd1, {%r1,%r2,%r3};",
    "mov.u32 %r1, [%rd2];",
    "bra nowhere;",
    "bra %r1;",
    "atom.global.add.s64 %rd1, [%rd2], %rd3;",
    "atom.global.add.f32 %r1, [%rd2];",
    "atom.global.exch.u8 %r1, [%rd2], %r3;",
    "red.global.exch.b32 [%rd1], %r2;",
    "bar.sync;",
    "shfl.sync.bfly.b32 %r1, %r2, 1, 31;",
    "shfl.sync.left.b32 %r1, %r2, 1, 31, -1;",
    "mma.sync.aligned.m16n8k32.row.row.s32.s8.s8.s32 {%r1,%r2,%r3,%r4}, {%r1,%r2,%r3,%r4}, "
    "{%r5,%r6}, {%r1,%r2,%r3,%r4};",
    "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r1,%r2,%r3,%r4}, {%r1,%r2}, {%r5,%r6}, "
    "{%r1,%r2,%r3,%r4};",
    "mma.sync.aligned.m16n8k32.row.col.f32.s8.s8.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
    "{%r5,%r6}, {%f1,%f2,%f3,%f4};",
    "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1,%r2}, [%r3];",
    "cp.async.cg.shared.global [%r1], [%rd1], 8;",
    "cp.async.ca.shared.global [%r1], [%rd1], 12;",
    "fma.f32 %f1, %f2, %f3, %f4;",
    "div.f32 %f1, %f2, %f3, %f4;",
    "rsqrt.rn.f32 %f1, %f2;",
    "lop3.b32 %r1, %r2, %r3, %r4;",
    "prmt.b64 %rd1, %rd2, %rd3, 0;",
    "popc.s32 %r1, %r2;",
    "frobnicate.u32 %r1, %r2;",
    "@%r1 mov.u32 %r1, 0;",
    "mov.u32 %tid.x, %r1;",
};
} // namespace

TEST(Parser, RejectsWhatIsNoPtx) {
  EXPECT_GE(std::size(rejected), 40u);
  EXPECT_EQ(loadError(withRegisters("")), "");
  for (const char *line : rejected) {
    std::string error = loadError(withRegisters(line));
    EXPECT_NE(error, "") << line;
    // The header has six lines, the registers twelve.
    EXPECT_EQ(error.rfind("test.ptx:19:", 0), 0u) << line << ": " << error;
  }
}

TEST(Parser, NamesLineAndColumn) {
  EXPECT_EQ(loadError(withRegisters("  ld.global.fast.u32 %r1, [%rd1];")),
            "test.ptx:19:12: modifier '.fast' is not supported here by 'ld'");
  EXPECT_EQ(loadError(withRegisters("tcgen05.fence::before_thread_sync;")),
            "test.ptx:19:1: unknown instruction 'tcgen05'");
  EXPECT_EQ(loadError(withRegisters("add.s32 %r1, %f1, %r2;")),
            "test.ptx:19:14: '%f1' is a .f32 register; the instruction takes .s32");
  EXPECT_EQ(loadError("kernel"), "test.ptx:1:1: expected the directive '.version', not 'kernel'");
  EXPECT_EQ(loadError(".version 8.0\n.target sm_80\n.visible .entry k("),
            "test.ptx:3:19: expected '.param', but the file ends");
}

/// Unused functions are checked as well.
TEST(Parser, ChecksAllFunctions) {
  EXPECT_NE(loadError(".version 8.0\n.target sm_80\n.address_size 64\n"
                      ".func f()\n{\n.reg .b32 %r<2>;\nadd.s64 %r1, %r1, %r1;\nret;\n}\n"),
            "");
}

TEST(Parser, ScopesLabelsAndInitialisers) {
  std::string text = entry(".param .u64 p", R"(
  .reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %q;
  ld.param.u64 %rd1, [p];
  { .reg .b32 x; .reg .pred %q; mov.b32 x, 3; setp.eq.s32 %q, x, 3; @%q bra DONE; mov.b32 x, 9; DONE: mov.b32 %r1, x; }
  { .reg .b32 x; .reg .pred %q; mov.b32 x, 4; setp.eq.s32 %q, x, 4; @%q bra DONE; mov.b32 x, 9; DONE: add.s32 %r1, %r1, x; }
  ld.global.u32 %r2, [table+(1<<2)*2];   // 30
  add.s32 %r1, %r1, %r2;
  ld.global.u64 %rd2, [pointer];
  ld.u32 %r2, [%rd2];                    // 20
  add.s32 %r1, %r1, %r2;
  ld.const.u8 %r2, [bytes+1];            // 0xfe
  add.s32 %r1, %r1, %r2;
  st.global.u32 [%rd1], %r1;
  ret;)",
                           ".global .align 4 .u32 table[4] = {10, 20, 30};\n"
                           ".global .align 8 .u64 pointer = table + 4;\n"
                           ".const .b8 bytes[2] = {1, -2};\n");
  Session session(text);
  uint64_t out = session.undefined(4);
  expectClean(session.launch("kernel", {1}, {1}, {argument(out)}));
  EXPECT_EQ(session.read<uint32_t>(out, 1)[0], 3u + 4 + 30 + 20 + 0xfe);
}

/// Files with bytes changed, removed, repeated: an error or a module, nothing else.
TEST(Parser, MutatedFiles) {
  std::mt19937 random(11);
  for (const char *name : {"kernels.ptx", "scalar.ptx"}) {
    std::string original = readInput(name).substr(0, 12000);
    for (int round = 0; round != 400; ++round) {
      std::string text = original;
      for (unsigned change = random() % 6 + 1; change; --change) {
        size_t at = random() % text.size(), length = random() % 40;
        switch (random() % 5) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), length));
          break;
        case 3:
          text.resize(at + 1);
          break;
        default:
          text.insert(at, 1, "{}()[]<>,;:@!|+-.%0"[random() % 19]);
          break;
        }
      }
      loadError(text);
    }
  }
  loadError(std::string(100000, '('));
  loadError(".version 8.0 .target sm_80 .global .u32 x = " + std::string(100000, '-') + "1;");
  loadError(entry("", std::string(100000, '{')));
  loadError(".version 8.0 .target sm_80 .global .b8 x[99999999999999999999];");
  loadError(".version 8.0 .target sm_80 .global .b8 x[4294967295][4294967295];");
}

TEST(Parser, LaunchErrors) {
  Session session(entry(".param .u64 p, .param .u32 n", "ret;"));
  auto expectError = [&](llvm::StringRef kernel, LaunchConfig config,
                         std::vector<std::vector<char>> arguments, llvm::StringRef message) {
    auto result = session.device->launch(*session.module, kernel, config, arguments);
    ASSERT_FALSE(static_cast<bool>(result));
    std::string text = llvm::toString(result.takeError());
    EXPECT_NE(text.find(message.str()), std::string::npos) << text;
  };
  auto p = argument(uint64_t(0)), n = argument(uint32_t(0));
  expectError("other", {{1}, {1}, 0}, {p, n}, "no kernel 'other'; it has kernel");
  expectError("kernel", {{1}, {1}, 0}, {p}, "has 2 parameters, not 1");
  expectError("kernel", {{1}, {1}, 0}, {p, p}, "has 4 bytes, not 8");
  expectError("kernel", {{1}, {1025}, 0}, {p, n}, "too large");
  expectError("kernel", {{1}, {1}, 300 * 1024}, {p, n}, "shared memory");
  llvm::Error error = session.device->free(12345);
  EXPECT_NE(llvm::toString(std::move(error)).find("no buffer"), std::string::npos);
}
