// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whole GEMMs of sm_90a: tiles by bulk tensor copies that complete on an mbarrier, products by
// wgmma, the result stored from registers; compared with the host exactly. Then the same kernel
// with one thing left out: the checker for it, and no other, finds it.

#include "Run.h"

#include <random>

using namespace ptq::emulator;

namespace {
/// C (64·grid × 64) = A (rows × K) · Bᵀ, Bᵀ given as 64 × K; `half`: f16 to f32, else s8 to s32.
/// Rows of 128 bytes a step, under the swizzle of `swizzle` bytes (128 or, in pieces, 64 and 32).
struct Gemm {
  bool half = false;
  unsigned swizzle = 128;
  std::string expect = "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%bar], TX;";
  std::string wait = "WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%bar], %par;\n"
                     "@!%p2 bra WAIT;";
  std::string fence = "wgmma.fence.sync.aligned;", waitGroup = "wgmma.wait_group.sync.aligned 0;";
  std::string sync = "bar.sync 0;", afterCopies;
  unsigned descriptorShift = 0;

  std::string text() const;
};

std::string list() {
  std::string text;
  for (int i = 0; i != 32; ++i)
    text += (i ? ",%c" : "%c") + std::to_string(i);
  return text;
}

std::string Gemm::text() const {
  unsigned tile = 64 * swizzle, mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : 3;
  std::string t =
      ".version 8.0\n.target sm_90a\n.address_size 64\n"
      ".extern .shared .align 1024 .b8 tiles[];\n.shared .align 8 .b8 bar[8];\n"
      ".visible .entry kernel(.param .align 64 .b8 a[128], .param .align 64 .b8 b[128], "
      ".param .u64 c, .param .u32 steps)\n{\n"
      ".reg .pred %p<8>;\n.reg .b32 %r<32>, %bar, %par, %c<32>;\n"
      ".reg .b64 %rd<32>;\n";
  t +=
      "mov.b64 %rd1, a;\ncvta.param.u64 %rd1, %rd1;\nmov.b64 %rd2, b;\ncvta.param.u64 %rd2, %rd2;\n"
      "ld.param.u64 %rd3, [c];\nld.param.u32 %r1, [steps];\nmov.u32 %r2, %tid.x;\n"
      "mov.u32 %bar, bar;\nmov.u32 %r3, tiles;\nadd.u32 %r4, %r3, " +
      std::to_string(tile) +
      ";\nsetp.eq.u32 %p1, %r2, 0;\nmov.u32 %r5, %ctaid.x;\nshl.b32 %r5, %r5, 6;\n"
      "@%p1 mbarrier.init.shared::cta.b64 [%bar], 1;\nfence.mbarrier_init.release.cluster;\n"
      "bar.sync 0;\nmov.u32 %r6, 0;\n";
  for (int i = 0; i != 32; ++i)
    t += "mov.b32 %c" + std::to_string(i) + ", 0;\n";
  std::string announce = expect;
  if (announce.find("TX") != std::string::npos)
    announce.replace(announce.find("TX"), 2, std::to_string(2 * tile));
  // Descriptors: start / 16, LBO, SBO = eight rows, mode.
  uint64_t fixed = uint64_t(mode) << 62 | uint64_t(8 * swizzle / 16) << 32 | uint64_t(1) << 16;
  t += "LOOP:\nand.b32 %par, %r6, 1;\n@!%p1 bra SKIP;\n" + announce + "\nmul.lo.u32 %r7, %r6, " +
       std::to_string(half ? swizzle / 2 : swizzle) +
       ";\ncp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
       "[%r3], [%rd1, {%r7, %r5}], [%bar];\n"
       "cp.async.bulk.tensor.2d.shared::cta.global.mbarrier::complete_tx::bytes "
       "[%r4], [%rd2, {%r7, 0}], [%bar];\n" +
       afterCopies + "\nSKIP:\n" + wait + "\n" + fence + "\n";
  for (unsigned piece = 0; piece != swizzle / 32; ++piece)
    for (bool ofB : {false, true}) {
      std::string r = ofB ? "%rd11" : "%rd10";
      t += std::string("add.u32 %r8, ") + (ofB ? "%r4, " : "%r3, ") +
           std::to_string(32 * piece + (ofB ? 0 : descriptorShift)) +
           ";\nshr.u32 %r8, %r8, 4;\ncvt.u64.u32 " + r + ", %r8;\nor.b64 " + r + ", " + r + ", " +
           std::to_string(fixed) + ";\n";
      if (ofB)
        t += (half ? "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                   : "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 {") +
             list() + "}, %rd10, %rd11, 1" + (half ? ", 1, 1, 0, 0;\n" : ";\n");
    }
  t += "wgmma.commit_group.sync.aligned;\n" + waitGroup + "\n" + sync +
       "\nadd.u32 %r6, %r6, 1;\nsetp.lt.u32 %p3, %r6, %r1;\n@%p3 bra LOOP;\n";
  // D(i) of thread: row 16·warp + g + 8·((i>>1)&1), column 8·(i>>2) + 2t + (i&1).
  t += "shr.u32 %r10, %r2, 5;\nand.b32 %r11, %r2, 31;\nshr.u32 %r12, %r11, 2;\n"
       "mad.lo.u32 %r12, %r10, 16, %r12;\nadd.u32 %r12, %r12, %r5;\nand.b32 %r13, %r11, 3;\n"
       "shl.b32 %r13, %r13, 1;\nmad.lo.u32 %r12, %r12, 64, %r13;\nmul.wide.u32 %rd12, %r12, 4;\n"
       "add.s64 %rd12, %rd3, %rd12;\n";
  for (unsigned i = 0; i != 32; ++i)
    t += "st.global.b32 [%rd12+" +
         std::to_string(4 * (8 * (i >> 2) + (i & 1) + 64 * 8 * ((i >> 1) & 1))) + "], %c" +
         std::to_string(i) + ";\n";
  return t + "ret;\n}\n";
}

uint16_t halfOf(int value) {
  if (value == 0)
    return 0;
  unsigned sign = value < 0 ? 0x8000 : 0, magnitude = std::abs(value), exponent = 0;
  while (magnitude >> (exponent + 1))
    ++exponent;
  return sign | (exponent + 15) << 10 | ((magnitude << (10 - exponent)) & 0x3ff);
}

/// Runs it over `rows` × k; what lies beyond k and rows reads as zero.
std::vector<Finding> runGemm(const Gemm &gemm, unsigned rows, unsigned k, bool compare = true,
                             uint64_t seed = 0) {
  EmulatorOptions options;
  options.seed = seed;
  Session session(gemm.text(), options);
  std::mt19937 random(rows + k);
  auto draw = [&] { return static_cast<int>(random() % 256) - 128; };
  std::vector<int> a(rows * k), b(64 * k);
  for (int &value : a)
    value = gemm.half ? draw() / 8 : draw();
  for (int &value : b)
    value = gemm.half ? draw() / 8 : draw();
  unsigned bytes = gemm.half ? 2 : 1;
  auto upload = [&](const std::vector<int> &values) {
    if (!gemm.half)
      return session.buffer(std::vector<int8_t>(values.begin(), values.end()));
    std::vector<uint16_t> halves;
    for (int value : values)
      halves.push_back(halfOf(value));
    return session.buffer(halves);
  };
  auto map = [&](uint64_t address, unsigned count) {
    TensorMap tensor;
    tensor.element = gemm.half ? TensorMap::Element::F16 : TensorMap::Element::U8;
    tensor.rank = 2;
    tensor.address = address;
    tensor.size = {k, count};
    tensor.stride = {uint64_t(k) * bytes};
    tensor.box = {gemm.swizzle / bytes, 64};
    tensor.swizzle = gemm.swizzle == 128  ? TensorMap::Swizzle::Bytes128
                     : gemm.swizzle == 64 ? TensorMap::Swizzle::Bytes64
                                          : TensorMap::Swizzle::Bytes32;
    auto encoded = session.device->encodeTensorMap(tensor);
    EXPECT_TRUE(static_cast<bool>(encoded));
    return *encoded;
  };
  unsigned blocks = (rows + 63) / 64, step = gemm.swizzle / bytes, steps = (k + step - 1) / step;
  uint64_t c = session.undefined(blocks * 64 * 64 * 4);
  auto result =
      session.launch("kernel", {blocks}, {128},
                     {map(upload(a), rows), map(upload(b), 64), argument(c), argument(steps)},
                     2 * 64 * gemm.swizzle);
  if (!compare)
    return result.findings;
  expectClean(result);
  auto words = session.read<uint32_t>(c, blocks * 64 * 64);
  unsigned wrong = 0;
  for (unsigned row = 0; row != blocks * 64; ++row)
    for (unsigned column = 0; column != 64; ++column) {
      int sum = 0;
      for (unsigned index = 0; row < rows && index != k; ++index)
        sum += a[row * k + index] * b[column * k + index];
      uint32_t expected = static_cast<uint32_t>(sum);
      if (gemm.half) {
        float value = static_cast<float>(sum);
        std::memcpy(&expected, &value, 4);
      }
      wrong += words[row * 64 + column] != expected;
    }
  EXPECT_EQ(wrong, 0u);
  return result.findings;
}
void expectOnly(const Gemm &gemm, Check check, llvm::StringRef message) {
  auto found = runGemm(gemm, 64, 256, false);
  EXPECT_FALSE(found.empty()) << message.str();
  for (const Finding &finding : found)
    EXPECT_EQ(finding.check, check) << describe(finding);
  if (!found.empty())
    EXPECT_NE(found[0].message.find(message.str()), std::string::npos) << describe(found[0]);
}
} // namespace

TEST(TensorCopyGemm, Integers) {
  for (unsigned swizzle : {128, 64, 32})
    for (uint64_t seed : {0, 1}) {
      Gemm gemm;
      gemm.swizzle = swizzle;
      runGemm(gemm, 128, 256, true, seed);
      runGemm(gemm, 71, 208, true, seed); // beyond the tensor's edges is zero
    }
}

TEST(TensorCopyGemm, Halves) {
  for (unsigned swizzle : {128, 64, 32}) {
    Gemm gemm;
    gemm.half = true;
    gemm.swizzle = swizzle;
    runGemm(gemm, 128, 256);
    runGemm(gemm, 71, 104);
  }
}

TEST(TensorCopyGemm, SeededBugs) {
  Gemm gemm;
  gemm.expect = "";
  gemm.afterCopies = "mbarrier.arrive.shared::cta.b64 _, [%bar];";
  expectOnly(gemm, Check::Deadlock, "mbarrier");
  gemm = Gemm();
  gemm.expect = "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%bar], 128;";
  expectOnly(gemm, Check::Deadlock, "mbarrier");
  gemm = Gemm();
  gemm.wait = "";
  expectOnly(gemm, Check::Races, "nothing orders");
  gemm = Gemm();
  gemm.fence = "";
  expectOnly(gemm, Check::Races, "wgmma.fence");
  gemm = Gemm();
  gemm.waitGroup = "";
  expectOnly(gemm, Check::Races, "");
  gemm = Gemm();
  gemm.descriptorShift = 128;
  expectOnly(gemm, Check::Misalignment, "swizzle's pattern");
}
