// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel with a bug for each checker: it finds the bug, at its line, and nothing else does; the
// correct twin is clean.

#include "Run.h"

using namespace ptq::emulator;

namespace {
/// Runs `body` (parameter: a buffer of 1024 words, all defined), 64 threads.
std::vector<Finding> findings(llvm::StringRef body, llvm::StringRef declarations = "",
                              const EmulatorOptions &options = {}) {
  Session session(entry(".param .u64 p", body, declarations), options);
  uint64_t buffer = session.buffer(std::vector<int>(1024, 5));
  return session.launch("kernel", {2}, {64}, {argument(buffer)}).findings;
}

/// All findings are of `check`, and there is one.
void expectOnly(const std::vector<Finding> &found, Check check, llvm::StringRef message) {
  EXPECT_FALSE(found.empty());
  for (const Finding &finding : found)
    EXPECT_EQ(finding.check, check) << describe(finding);
  if (!found.empty()) {
    EXPECT_EQ(found[0].kernel, "kernel");
    EXPECT_NE(found[0].message.find(message.str()), std::string::npos) << describe(found[0]);
  }
}

/// Each CTA writes only its own words.
constexpr llvm::StringLiteral prologue = R"(
  .reg .b32 %r<20>;
  .reg .b64 %rd<20>;
  .reg .pred %p<5>;
  ld.param.u64 %rd1, [p];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  shl.b32 %r3, %r2, 6;
  add.s32 %r3, %r3, %r1;
  mul.wide.u32 %rd2, %r3, 4;
  add.s64 %rd3, %rd1, %rd2;
  shl.b32 %r4, %r1, 2;
  mov.u32 %r5, s;
  add.s32 %r6, %r5, %r4;
  xor.b32 %r7, %r4, 252;
  add.s32 %r8, %r5, %r7;
)";
constexpr llvm::StringLiteral shared = ".shared .align 16 .b8 s[256];\n";

std::string with(llvm::StringRef rest) { return (prologue + rest).str(); }
} // namespace

TEST(SeededBug, MissingBarrier) {
  const char *correct = "st.shared.u32 [%r6], %r1;\nbar.sync 0;\nld.shared.u32 %r9, [%r8];\n"
                        "st.global.u32 [%rd3], %r9;\nret;";
  const char *broken = "st.shared.u32 [%r6], %r1;\nld.shared.u32 %r9, [%r8];\n"
                       "st.global.u32 [%rd3], %r9;\nret;";
  EXPECT_TRUE(findings(with(correct), shared).empty());
  EmulatorOptions options;
  // Either order of the warps: read after write, and write after read of what is undefined.
  options.disable(Check::Uninitialised);
  for (uint64_t seed : {0, 1, 2, 3}) {
    options.seed = seed;
    expectOnly(findings(with(broken), shared, options), Check::Races, "nothing orders");
  }
}

TEST(SeededBug, MissingWaitOfAsyncCopy) {
  const char *correct = "cp.async.ca.shared.global [%r6], [%rd3], 4;\ncp.async.commit_group;\n"
                        "cp.async.wait_group 0;\nbar.sync 0;\nld.shared.u32 %r9, [%r8];\n"
                        "st.global.u32 [%rd3+2048], %r9;\nret;";
  const char *noWait = "cp.async.ca.shared.global [%r6], [%rd3], 4;\ncp.async.commit_group;\n"
                       "bar.sync 0;\nld.shared.u32 %r9, [%r6];\n"
                       "st.global.u32 [%rd3+2048], %r9;\nret;";
  const char *noBarrier = "cp.async.ca.shared.global [%r6], [%rd3], 4;\ncp.async.commit_group;\n"
                          "cp.async.wait_group 0;\nld.shared.u32 %r9, [%r8];\n"
                          "st.global.u32 [%rd3+2048], %r9;\nret;";
  EXPECT_TRUE(findings(with(correct), shared).empty());
  expectOnly(findings(with(noWait), shared), Check::Races, "has not been waited for");
  EmulatorOptions options;
  options.disable(Check::Uninitialised);
  expectOnly(findings(with(noBarrier), shared, options), Check::Races, "nothing orders");
}

TEST(SeededBug, OutOfBounds) {
  const char *correct = "add.s64 %rd4, %rd1, 4092;\nld.global.u32 %r9, [%rd4];\n"
                        "st.global.u32 [%rd3], %r9;\nret;";
  const char *broken = "add.s64 %rd4, %rd1, 4096;\nld.global.u32 %r9, [%rd4];\n"
                       "st.global.u32 [%rd3], %r9;\nret;";
  EXPECT_TRUE(findings(with(correct), shared).empty());
  auto found = findings(with(broken), shared);
  expectOnly(found, Check::Bounds, "at offset 4096 of a buffer of 4096 bytes");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].count, 128u);
  expectOnly(findings(with("ld.global.u32 %r9, [%rd1-4];\nret;"), shared), Check::Bounds,
             "at offset -4");
  expectOnly(findings(with("st.shared.u32 [%r6+4], %r1;\nret;"), shared), Check::Bounds,
             "shared memory");
}

TEST(SeededBug, OffByOneBetweenSharedVariables) {
  // The byte after one variable is no other variable's.
  std::string two = ".shared .align 4 .b8 s[256];\n.shared .align 4 .b8 u[256];\n";
  expectOnly(findings(with("mov.u32 %r10, u;\nst.shared.u32 [s+256], %r10;\nret;"), two),
             Check::Bounds, "outside every variable");
}

TEST(SeededBug, Misalignment) {
  const char *correct =
      "ld.global.v4.u32 {%r9,%r10,%r11,%r12}, [%rd1+16];\nadd.s32 %r9, %r9, %r12;\n"
      "st.global.u32 [%rd3], %r9;\nret;";
  const char *broken = "ld.global.v4.u32 {%r9,%r10,%r11,%r12}, [%rd1+1032];\n"
                       "st.global.u32 [%rd3], %r9;\nret;";
  auto twin = findings(with(correct), shared);
  // Threads of both CTAs store to the words that all load.
  EXPECT_TRUE(llvm::all_of(twin, [](const Finding &f) { return f.check == Check::Races; }));
  expectOnly(findings(with(broken), shared), Check::Misalignment, "no multiple");
  // A shared variable lies where ptxas packs it: the second of these at 4, and at 16.
  EmulatorOptions options;
  options.disable(Check::Races);
  auto second = [&](llvm::StringRef first) {
    return findings(with("st.shared.u8 [f], 1;\nst.shared.v4.u32 [s], {%r1,%r1,%r1,%r1};\nret;"),
                    (first + ".shared .align 4 .b8 s[256];\n").str(), options);
  };
  expectOnly(second(".shared .align 1 .b8 f[3];\n"), Check::Misalignment, "no multiple");
  EXPECT_TRUE(second(".shared .align 1 .b8 f[13];\n").empty());
}

TEST(SeededBug, UndefinedRegister) {
  auto found = findings(with("add.s32 %r9, %r10, 1;\nst.global.u32 [%rd3], %r9;\nret;"), shared);
  expectOnly(found, Check::Uninitialised, "undefined value");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].line, 25u); // where it is read: 7 lines of header, 17 of prologue
  EXPECT_TRUE(findings(with("mov.u32 %r10, 3;\nadd.s32 %r9, %r10, 1;\n"
                            "st.global.u32 [%rd3], %r9;\nret;"),
                       shared)
                  .empty());
  // One lane's value in another's place: only the lanes that were not written are undefined.
  EXPECT_TRUE(findings(with("setp.lt.u32 %p1, %r1, 7;\n@%p1 mov.u32 %r10, 3;\n"
                            "@%p1 st.global.u32 [%rd3], %r10;\nret;"),
                       shared)
                  .empty());
  expectOnly(findings(with("setp.lt.u32 %p1, %r1, 7;\n@%p1 mov.u32 %r10, 3;\n"
                           "st.global.u32 [%rd3], %r10;\nret;"),
                      shared),
             Check::Uninitialised, "never written");
}

TEST(SeededBug, UndefinedMemory) {
  auto found =
      findings(with("ld.shared.u32 %r9, [%r6];\nst.global.u32 [%rd3], %r9;\nret;"), shared);
  expectOnly(found, Check::Uninitialised, "undefined value");
  // Undefined values that nothing depends on are no finding.
  EXPECT_TRUE(
      findings(with("ld.shared.u32 %r9, [%r6];\nadd.s32 %r9, %r9, %r1;\nret;"), shared).empty());
  expectOnly(findings(with("ld.shared.u32 %r9, [%r6];\nsetp.eq.u32 %p1, %r9, 0;\n"
                           "@%p1 bra L;\nst.global.u32 [%rd3], %r1;\nL:\nret;"),
                      shared),
             Check::Uninitialised, "undefined value");
}

TEST(SeededBug, DivergentBarrier) {
  auto found = findings(with("setp.lt.u32 %p1, %r1, 40;\n@%p1 bar.sync 0;\nret;"), shared);
  expectOnly(found, Check::DivergentBarriers, "together");
  EXPECT_TRUE(
      findings(with("setp.lt.u32 %p1, %r1, 40;\n@%p1 add.s32 %r9, %r1, 1;\nbar.sync 0;\nret;"),
               shared)
          .empty());
  // Threads that have exited need not arrive.
  EXPECT_TRUE(
      findings(with("setp.ge.u32 %p1, %r1, 40;\n@%p1 exit;\nbar.sync 0;\nret;"), shared).empty());
  expectOnly(findings(with("setp.lt.u32 %p1, %r1, 7;\n@!%p1 bra L;\n"
                           "shfl.sync.idx.b32 %r9, %r1, 0, 31, -1;\nL:\nret;"),
                      shared),
             Check::DivergentBarriers, "member mask");
}

TEST(SeededBug, Deadlock) {
  // Two warps at different barriers.
  expectOnly(findings(with("setp.lt.u32 %p1, %r1, 32;\n@%p1 bra A;\nbar.sync 1, 64;\nbra E;\n"
                           "A:\nbar.sync 2, 64;\nE:\nret;"),
                      shared),
             Check::Deadlock, "no other warp");
  EXPECT_TRUE(findings(with("setp.lt.u32 %p1, %r1, 32;\n@%p1 bra A;\nbar.sync 1, 64;\nbra E;\n"
                            "A:\nbar.sync 1, 64;\nE:\nret;"),
                       shared)
                  .empty());
  EmulatorOptions options;
  options.watchdog = 100000;
  expectOnly(findings(with("L:\nld.volatile.global.u32 %r9, [%rd1];\nsetp.eq.u32 %p1, %r9, 5;\n"
                           "@%p1 bra L;\nret;"),
                      shared, options),
             Check::Deadlock, "watchdog");
}

TEST(SeededBug, RaceBetweenBlocks) {
  expectOnly(findings(with("st.global.u32 [%rd1], %r3;\nret;"), shared), Check::Races, "another");
  // All write what is there already.
  EXPECT_TRUE(findings(with("mov.u32 %r9, 5;\nst.global.u32 [%rd1], %r9;\nret;"), shared).empty());
  EXPECT_TRUE(findings(with("atom.global.add.u32 %r9, [%rd1], 1;\nret;"), shared).empty());
  // One passes data to the other through a flag: with a fence in front of the flag, and without.
  auto passData = [&](llvm::StringRef fence) {
    return with(("setp.ne.u32 %p2, %r1, 0;\n@%p2 exit;\nsetp.eq.u32 %p1, %r2, 0;\n@!%p1 bra WAIT;\n"
                 "st.global.u32 [%rd1+4], 77;\n" +
                 fence +
                 "st.volatile.global.u32 [%rd1], 1;\nret;\n"
                 "WAIT:\nld.volatile.global.u32 %r9, [%rd1];\nsetp.ne.u32 %p1, %r9, 1;\n"
                 "@%p1 bra WAIT;\n" +
                 fence + "ld.global.u32 %r10, [%rd1+4];\nst.global.u32 [%rd1+8], %r10;\nret;")
                    .str());
  };
  EXPECT_TRUE(findings(passData("membar.gl;\n"), shared).empty());
  expectOnly(findings(passData(""), shared), Check::Races, "another CTA");
}

TEST(SeededBug, EachCheckCanBeTurnedOff) {
  EmulatorOptions options;
  options.disable(Check::Bounds);
  EXPECT_TRUE(
      findings(with("add.s64 %rd4, %rd1, 4096;\nld.global.u32 %r9, [%rd4];\nret;"), shared, options)
          .empty());
}

// Lanes that meet first at a barrier which the two sides of a branch reach apart: lane 0 jumps to
// it, the others fall through a block of their own. The branch's point of reconvergence, ALL, is
// behind both blocks that follow the barrier.
TEST(SeededBug, BarrierBeforeReconvergence) {
  auto threaded = [](const char *others) {
    return with(("setp.eq.u32 %p1, %r1, 0;\nsetp.ne.u32 %p2, %r2, 77;\nmov.u32 %r9, 1;\n"
                 "@%p1 bra FIRST;\nst.shared.u32 [%r6], %r1;\n@%p2 bra MEET;\nbra ALL;\n"
                 "FIRST: mov.u32 %r9, 2;\nst.shared.u32 [%r6], %r9;\n@!%p2 bra ALL;\n" +
                 llvm::Twine(others) +
                 "MEET: bar.sync 0;\nld.shared.u32 %r9, [%r8];\n"
                 "ALL: st.global.u32 [%rd3], %r9;\nret;")
                    .str());
  };
  for (uint64_t seed : {0, 1, 2}) {
    EmulatorOptions options;
    options.seed = seed;
    EXPECT_TRUE(findings(threaded(""), shared, options).empty());
    // Lane 0 leaves without it.
    std::vector<Finding> found = findings(threaded("bra ALL;\n"), shared, options);
    ASSERT_FALSE(found.empty());
    EXPECT_TRUE(llvm::any_of(
        found, [](const Finding &finding) { return finding.check == Check::DivergentBarriers; }));
  }
}

// What a software pipeline loads in its last step is for nobody: a race of that load is none.
TEST(SeededBug, RaceOfUnusedLoad) {
  auto pipeline = [](const char *end) {
    return with(("st.shared.u32 [%r6], %r1;\nbar.sync 0;\nmov.u32 %r10, 0;\nmov.u32 %r11, 0;\n"
                 "ld.shared.u32 %r9, [%r8];\n"
                 "LOOP: add.u32 %r11, %r11, %r9;\nbar.sync 0;\nld.shared.u32 %r9, [%r8];\n"
                 "add.u32 %r10, %r10, 1;\nsetp.lt.u32 %p1, %r10, 4;\n@%p1 bra LOOP;\n"
                 "st.shared.u32 [%r6], 100;\n" +
                 llvm::Twine(end) + "st.global.u32 [%rd3], %r11;\nret;")
                    .str());
  };
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatorOptions options;
    options.seed = seed;
    EXPECT_TRUE(findings(pipeline(""), shared, options).empty());
    EXPECT_TRUE(
        findings(pipeline("mov.u32 %r9, 0;\nadd.u32 %r11, %r11, %r9;\n"), shared, options).empty());
    // The same, and the value is used: before the write or after it, in this block or a later one.
    expectOnly(findings(pipeline("add.u32 %r11, %r11, %r9;\n"), shared, options), Check::Races,
               "nothing orders");
    expectOnly(findings(pipeline("bar.sync 0;\n@%p1 bra END;\nadd.u32 %r10, %r10, %r11;\n"
                                 "END: add.u32 %r11, %r11, %r9;\n"),
                        shared, options),
               Check::Races, "nothing orders");
  }
}

// Only a value that some path uses may excuse its load: not one that is replaced at once.
TEST(SeededBug, RaceOfReplacedLoad) {
  const char *body = "st.shared.u32 [%r6], %r1;\nld.shared.u32 %r9, [%r8];\nmov.u32 %r9, 7;\n"
                     "st.global.u32 [%rd3], %r9;\nret;";
  EmulatorOptions options;
  options.disable(Check::Uninitialised);
  expectOnly(findings(with(body), shared, options), Check::Races, "nothing orders");
}

// A lock that the last of those who wait for it sets back with a plain store (Marlin's): after the
// strong read of a strong write, that write is in order. Without the read it is not.
TEST(SeededBug, StoreAfterObservation) {
  auto lock = [](const char *wait) {
    return with(("setp.ne.u32 %p1, %r1, 0;\n@%p1 bra END;\nsetp.eq.u32 %p2, %r2, 0;\n"
                 "@%p2 bra LAST;\nred.relaxed.gpu.global.add.u32 [%rd1+512], 7;\nbra END;\n"
                 "LAST: " +
                 llvm::Twine(wait) + "st.global.u32 [%rd1+512], 0;\nEND: ret;")
                    .str());
  };
  const char *wait = "WAIT: ld.relaxed.gpu.global.u32 %r9, [%rd1+512];\nsetp.ne.u32 %p3, %r9, 12;\n"
                     "@%p3 bra WAIT;\n";
  EXPECT_TRUE(findings(lock(wait), shared).empty());
  expectOnly(findings(lock(""), shared), Check::Races, "nothing orders");
}
