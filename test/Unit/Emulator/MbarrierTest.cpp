// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarrier objects: phases, counts and states as the PTX ISA has them; the order they make; and a
// bug for each thing that can go wrong with them, with a correct twin. barrier.cluster, mapa.

#include "Run.h"

using namespace ptq::emulator;

namespace {
/// Parameter: 1024 words, all 5. `threads` in one CTA. Shared: m, 64 bytes for mbarriers; s.
LaunchResult runBody(const std::string &body, unsigned threads, std::vector<int> *out = nullptr,
                     const EmulatorOptions &options = {}) {
  static const std::string prologue = R"(
  .reg .b32 %r<32>;
  .reg .b64 %rd<16>;
  .reg .pred %p<6>;
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd2, %rd1, %rd2;
  mov.u32 %r2, m;
  mov.u32 %r3, s;
  setp.eq.u32 %p1, %r1, 0;
  shr.u32 %r4, %r1, 5;
  shl.b32 %r5, %r1, 2;
  add.u32 %r6, %r3, %r5;
  xor.b32 %r7, %r5, 252;
  add.u32 %r7, %r3, %r7;
)";
  Session session(entry(".param .u64 p", prologue + body,
                        ".shared .align 8 .b8 m[64];\n.shared .align 16 .b8 s[4096];\n"),
                  options);
  uint64_t buffer = session.buffer(std::vector<int>(1024, 5));
  LaunchResult result = session.launch("kernel", {1}, {threads}, {argument(buffer)});
  if (out)
    *out = session.read<int>(buffer, 1024);
  return result;
}
std::vector<Finding> findings(const std::string &body, unsigned threads = 64,
                              const EmulatorOptions &options = {}) {
  return runBody(body, threads, nullptr, options).findings;
}
void expectOnly(const std::vector<Finding> &found, Check check, llvm::StringRef message) {
  EXPECT_FALSE(found.empty());
  for (const Finding &finding : found) {
    EXPECT_EQ(finding.check, check) << describe(finding);
    EXPECT_NE(finding.message.find(message.str()), std::string::npos) << describe(finding);
  }
}
std::vector<int> results(const std::string &body, unsigned threads, unsigned count) {
  std::vector<int> out;
  expectClean(runBody(body, threads, &out));
  out.resize(count);
  return out;
}
/// Stores %rN to word N.
std::string store(unsigned word, const std::string &reg) {
  return "st.global.u32 [%rd1+" + std::to_string(4 * word) + "], " + reg + ";\n";
}
/// Stores whether the phase of that parity is complete.
std::string parity(unsigned word, unsigned parity) {
  return "mbarrier.test_wait.parity.shared.b64 %p2, [%r2], " + std::to_string(parity) +
         ";\nselp.u32 %r9, 1, 0, %p2;\n" + store(word, "%r9");
}
std::string state(unsigned word, const std::string &reg) {
  return "mbarrier.test_wait.shared.b64 %p2, [%r2], " + reg + ";\nselp.u32 %r9, 1, 0, %p2;\n" +
         store(word, "%r9");
}
const std::string waitPhase =
    "mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r2], 0;\n@!%p2 bra WAIT;\n";
} // namespace

TEST(Mbarrier, Phases) {
  // The phase "before" the first one counts as complete.
  EXPECT_EQ(results("mbarrier.init.shared.b64 [%r2], 2;\n" + parity(0, 0) + parity(1, 1) +
                        "mbarrier.arrive.shared.b64 %rd3, [%r2];\n" + parity(2, 0) +
                        "mbarrier.arrive.release.cta.shared::cta.b64 %rd4, [%r2];\n" +
                        parity(3, 0) + parity(4, 1) + state(5, "%rd3") + state(6, "%rd4") +
                        "mbarrier.arrive.shared.b64 %rd5, [%r2], 2;\n" + parity(7, 0) +
                        parity(8, 1) + state(9, "%rd5") + "ret;",
                    1, 10),
            (std::vector<int>{0, 1, 0, 1, 0, 1, 1, 0, 1, 1}));
}

TEST(Mbarrier, CountsAndStates) {
  auto pending = [](unsigned word) {
    return "mbarrier.pending_count.b64 %r10, %rd3;\n" + store(word, "%r10");
  };
  // What was pending before each arrival.
  EXPECT_EQ(results("mbarrier.init.shared::cta.b64 [%r2], 5;\n"
                    "mbarrier.arrive.noComplete.shared.b64 %rd3, [%r2], 2;\n" +
                        pending(0) + "mbarrier.arrive.shared.b64 %rd3, [%r2];\n" + pending(1) +
                        "mbarrier.arrive_drop.noComplete.release.cta.shared.b64 %rd3, [%r2], 1;\n" +
                        pending(2) + parity(3, 0) + "mbarrier.arrive.shared.b64 %rd3, [%r2];\n" +
                        pending(4) + parity(5, 0) + "ret;",
                    1, 6),
            (std::vector<int>{5, 3, 2, 0, 1, 1}));
}

TEST(Mbarrier, DropLowersLaterPhases) {
  // 3 expected, one drops: phase 0 takes 3 arrivals, phase 1 takes 2.
  EXPECT_EQ(results("mbarrier.init.shared.b64 [%r2], 3;\n"
                    "mbarrier.arrive_drop.shared.b64 %rd3, [%r2];\n"
                    "mbarrier.arrive.shared.b64 _, [%r2], 2;\n" +
                        parity(0, 0) + "mbarrier.arrive.shared.b64 %rd3, [%r2];\n" +
                        "mbarrier.pending_count.b64 %r10, %rd3;\n" + store(1, "%r10") +
                        parity(2, 1) + "mbarrier.arrive.shared::cluster.b64 _, [%r2];\n" +
                        parity(3, 1) + "ret;",
                    1, 4),
            (std::vector<int>{1, 2, 0, 1}));
}

TEST(Mbarrier, Transactions) {
  // Bytes that were announced keep the phase open, in whatever order they come.
  EXPECT_EQ(results("mbarrier.init.shared.b64 [%r2], 1;\n"
                    "mbarrier.arrive.expect_tx.shared.b64 %rd3, [%r2], 48;\n" +
                        parity(0, 0) + "mbarrier.complete_tx.shared::cta.b64 [%r2], 32;\n" +
                        parity(1, 0) +
                        "mbarrier.complete_tx.relaxed.cluster.shared::cluster.b64 [%r2], 16;\n" +
                        parity(2, 0) +
                        "mbarrier.complete_tx.shared.b64 [%r2], 8;\n"
                        "mbarrier.expect_tx.relaxed.cta.shared.b64 [%r2], 24;\n"
                        "mbarrier.arrive.expect_tx.relaxed.cta.shared::cluster.b64 _, [%r2], 0;\n" +
                        parity(3, 1) + "mbarrier.complete_tx.shared.b64 [%r2], 16;\n" +
                        parity(4, 1) + "ret;",
                    1, 5),
            (std::vector<int>{0, 0, 1, 0, 1}));
}

TEST(Mbarrier, GenericAddresses) {
  EXPECT_EQ(results("cvt.u64.u32 %rd9, %r2;\ncvta.shared.u64 %rd9, %rd9;\n"
                    "mbarrier.init.b64 [%rd9], 1;\n"
                    "mbarrier.arrive.expect_tx.b64 _, [%rd9], 16;\n" +
                        parity(0, 0) + "mbarrier.complete_tx.b64 [%rd9], 16;\n" + parity(1, 0) +
                        "mbarrier.try_wait.parity.b64 %p2, [%rd9], 0, 1000;\n"
                        "selp.u32 %r9, 1, 0, %p2;\n" +
                        store(2, "%r9") +
                        "mbarrier.inval.b64 [%rd9];\nst.shared.u64 [%r2], %rd9;\nret;",
                    1, 3),
            (std::vector<int>{0, 1, 1}));
}

TEST(Mbarrier, RingBetweenWarps) {
  // Warp 0 fills two stages in turn, warps 1 to 3 read them. full: m, m+8; empty: m+16, m+24.
  auto ring = [](const std::string &arriveFull, const std::string &waitFull,
                 const std::string &waitEmpty) {
    return R"(
  @!%p1 bra INIT;
  mbarrier.init.shared.b64 [%r2], 32;
  mbarrier.init.shared.b64 [%r2+8], 32;
  mbarrier.init.shared.b64 [%r2+16], 96;
  mbarrier.init.shared.b64 [%r2+24], 96;
  fence.mbarrier_init.release.cluster;
INIT:
  bar.sync 0;
  mov.u32 %r10, 0; // step
  mov.u32 %r11, 0; // sum
  and.b32 %r16, %r1, 31;
LOOP:
  and.b32 %r12, %r10, 1;
  shr.u32 %r13, %r10, 1;
  and.b32 %r13, %r13, 1; // parity
  shl.b32 %r14, %r12, 3;
  add.u32 %r14, %r14, %r2; // full
  shl.b32 %r15, %r12, 7;
  add.u32 %r15, %r15, %r3;
  shl.b32 %r17, %r16, 2;
  add.u32 %r15, %r15, %r17; // the stage's word
  setp.ne.u32 %p3, %r4, 0;
  @%p3 bra CONSUME;
  xor.b32 %r18, %r13, 1;
EMPTY:
  )" + waitEmpty +
           R"(
  mad.lo.u32 %r19, %r10, 100, %r16;
  st.shared.u32 [%r15], %r19;
  )" + arriveFull +
           R"(
  bra NEXT;
CONSUME:
FULL:
  )" + waitFull +
           R"(
  ld.shared.u32 %r19, [%r15];
  add.u32 %r11, %r11, %r19;
  mbarrier.arrive.shared.b64 _, [%r14+16];
NEXT:
  add.u32 %r10, %r10, 1;
  setp.lt.u32 %p4, %r10, 7;
  @%p4 bra LOOP;
  st.global.u32 [%rd2], %r11;
  ret;)";
  };
  const std::string arrive = "mbarrier.arrive.shared.b64 _, [%r14];",
                    full =
                        "mbarrier.try_wait.parity.shared.b64 %p2, [%r14], %r13;\n@!%p2 bra FULL;",
                    empty =
                        "mbarrier.try_wait.parity.acquire.cta.shared.b64 %p2, [%r14+16], %r18;\n"
                        "@!%p2 bra EMPTY;";
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatorOptions options;
    options.seed = seed;
    std::vector<int> out;
    expectClean(runBody(ring(arrive, full, empty), 128, &out, options));
    for (int thread = 0; thread != 128; ++thread)
      EXPECT_EQ(out[thread], thread < 32 ? 0 : 2100 + 7 * (thread % 32));
    // A loop over test_wait is the same.
    std::string polled = full;
    polled.replace(polled.find("try"), 3, "test");
    expectClean(runBody(ring(arrive, polled, empty), 128, nullptr, options));
    // A producer that does not wait runs ahead: the phases that are waited for are over.
    expectOnly(findings(ring(arrive, full, "add.u32 %r18, %r18, 0;"), 128, options),
               Check::Deadlock, "mbarrier");
    options.disable(Check::Deadlock);
    options.disable(Check::Uninitialised);
    expectOnly(findings(ring(arrive, "add.u32 %r18, %r13, 0;", empty), 128, options), Check::Races,
               "nothing orders");
    expectOnly(findings(ring("mbarrier.arrive.relaxed.cta.shared.b64 _, [%r14];", full, empty), 128,
                        options),
               Check::Races, "nothing orders");
  }
}

TEST(Mbarrier, AsyncCopies) {
  // Each thread's copy completes on the barrier; threads read their neighbours' words.
  auto copy = [](const std::string &count, const std::string &arrive, const std::string &after) {
    return "@%p1 mbarrier.init.shared.b64 [%r2], " + count +
           ";\nbar.sync 0;\ncp.async.ca.shared.global [%r6], [%rd2], 4;\n" + arrive + "WAIT:\n" +
           after +
           "ld.shared.u32 %r11, [%r7];\n"
           "st.global.u32 [%rd2+2048], %r11;\nret;";
  };
  const std::string noinc = "cp.async.mbarrier.arrive.noinc.shared.b64 [%r2];\n";
  expectClean(runBody(copy("64", noinc, waitPhase), 64));
  expectClean(runBody(copy("64",
                           "cp.async.mbarrier.arrive.shared::cta.b64 [%r2];\n"
                           "mbarrier.arrive.shared.b64 _, [%r2];\n",
                           waitPhase),
                      64));
  EmulatorOptions options;
  options.disable(Check::Uninitialised);
  expectOnly(findings(copy("64", noinc, ""), 64, options), Check::Races, "nothing orders");
  expectOnly(findings(copy("65", noinc, waitPhase)), Check::Deadlock, "mbarrier");
  // An arrival that waits for no copy: the bytes are still on their way.
  expectOnly(findings(copy("64", "mbarrier.arrive.shared.b64 _, [%r2];\n", waitPhase)),
             Check::Races, "has not been waited for");
}

TEST(Mbarrier, SeededBugs) {
  const std::string init = "@%p1 mbarrier.init.shared.b64 [%r2], 64;\n",
                    arrive = "mbarrier.arrive.shared.b64 _, [%r2];\nWAIT:\n",
                    sync = "bar.sync 0;\n", end = "ret;";
  expectClean(runBody(init + sync + arrive + waitPhase + end, 64));
  auto found =
      findings("@%p1 mbarrier.init.shared.b64 [%r2], 65;\n" + sync + arrive + waitPhase + end);
  expectOnly(found, Check::Deadlock, "a phase of an mbarrier");
  EXPECT_EQ(found.size(), 1u);
  // Others wait at a barrier for the one that waits for the phase.
  found = findings("@%p1 mbarrier.init.shared.b64 [%r2], 65;\n" + sync +
                   "setp.eq.u32 %p3, %r4, 0;\n@!%p3 bra OTHER;\n" + arrive + waitPhase +
                   "OTHER:\nbar.sync 1;\n" + end);
  for (const Finding &finding : found)
    EXPECT_EQ(finding.check, Check::Deadlock) << describe(finding);
  EXPECT_EQ(found.size(), 2u);
  // A loop that gives up.
  expectClean(runBody("@%p1 mbarrier.init.shared.b64 [%r2], 65;\n" + sync + "mov.u32 %r10, 0;\n" +
                          arrive +
                          "mbarrier.try_wait.parity.shared.b64 %p2, [%r2], 0;\n@%p2 bra END;\n"
                          "add.u32 %r10, %r10, 1;\nsetp.lt.u32 %p3, %r10, 20;\n@%p3 bra WAIT;\n"
                          "END:\n" +
                          end,
                      64));
  expectOnly(findings(init + arrive + waitPhase + end, 64,
                      [] {
                        EmulatorOptions options;
                        options.disable(Check::Uninitialised);
                        return options;
                      }()),
             Check::Races, "nothing orders");
  expectOnly(findings(arrive + waitPhase + end), Check::Uninitialised, "mbarrier.init");
  expectOnly(findings(init + sync + "mbarrier.arrive.shared.b64 _, [%r2], 33;\n" + end),
             Check::DivergentBarriers, "more");
  expectOnly(findings(init + sync + "@%p1 mbarrier.init.shared.b64 [%r2], 1;\n" + end),
             Check::DivergentBarriers, "inval");
  expectOnly(findings("@%p1 mbarrier.init.shared.b64 [%r2], 0;\n" + end), Check::DivergentBarriers,
             "count");
  expectOnly(findings("@%p1 mbarrier.init.shared.b64 [%r2+4], 1;\n" + end), Check::Misalignment,
             "no multiple");
  expectOnly(findings("@%p1 mbarrier.init.shared.b64 [%r2+64], 1;\n" + end), Check::Bounds,
             "shared memory");
  expectOnly(findings(init + sync + "ld.shared.u32 %r10, [%r2];\n" + end), Check::Races,
             "mbarrier object");
  expectOnly(findings(init + sync + "@%p1 st.shared.u32 [%r2+4], 0;\n" + end), Check::Races,
             "mbarrier object");
  expectOnly(findings("mbarrier.init.shared.b64 [%r2], 1;\n"
                      "mbarrier.arrive.noComplete.shared.b64 %rd3, [%r2], 1;\nret;",
                      1),
             Check::DivergentBarriers, "noComplete");
  // A state of the phase before the last.
  expectOnly(findings("mbarrier.init.shared.b64 [%r2], 1;\n"
                      "mbarrier.arrive.shared.b64 %rd3, [%r2];\n"
                      "mbarrier.arrive.shared.b64 %rd4, [%r2];\n"
                      "mbarrier.test_wait.shared.b64 %p2, [%r2], %rd3;\nret;",
                      1),
             Check::DivergentBarriers, "neither");
  expectOnly(findings("mbarrier.init.shared.b64 [%r2], %r31;\nret;", 1,
                      [] {
                        EmulatorOptions options;
                        options.disable(Check::DivergentBarriers);
                        return options;
                      }()),
             Check::Uninitialised, "never written");
}

TEST(Cluster, OfOneCta) {
  auto exchange = [](const std::string &between) {
    return "st.shared.u32 [%r6], %r1;\n" + between +
           "mapa.shared::cluster.u32 %r10, %r7, 0;\n"
           "ld.shared::cluster.u32 %r11, [%r10];\nst.global.u32 [%rd2], %r11;\nret;";
  };
  std::vector<int> out;
  expectClean(runBody(
      exchange("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n"),
      64, &out));
  for (int thread = 0; thread != 64; ++thread)
    EXPECT_EQ(out[thread], thread ^ 63);
  EmulatorOptions options;
  options.disable(Check::Uninitialised);
  for (uint64_t seed : {0, 1, 2}) {
    options.seed = seed;
    expectOnly(
        findings(exchange("barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait;\n"), 64, options),
        Check::Races, "nothing orders");
    expectOnly(findings(exchange("barrier.cluster.arrive;\n"), 64, options), Check::Races,
               "nothing orders");
  }
  expectOnly(findings("barrier.cluster.wait;\nret;"), Check::DivergentBarriers, "without");
  expectOnly(findings("setp.eq.u32 %p3, %r4, 0;\n@%p3 barrier.cluster.arrive;\n"
                      "@!%p3 bar.sync 1;\nbarrier.cluster.wait;\nret;"),
             Check::Deadlock, "wait");
  expectOnly(findings("mapa.u64 %rd4, %rd1, 1;\nret;"), Check::Bounds, "cluster of one");
  EXPECT_EQ(results("mov.u32 %r10, %cluster_ctarank;\n" + store(0, "%r10") +
                        "mov.u32 %r10, %cluster_nctarank;\n" + store(1, "%r10") +
                        "getctarank.shared::cluster.u32 %r10, %r2;\n" + store(2, "%r10") + "ret;",
                    1, 3),
            (std::vector<int>{0, 1, 0}));
}
