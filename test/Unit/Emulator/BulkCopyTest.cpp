// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bulk copies by themselves: both directions, tensors of several dimensions with edges, steps and
// swizzles, against the host; and a bug for each rule they have.

#include "Run.h"

#include <cstring>

using namespace ptq::emulator;

namespace {
const std::string head = R"(
  .reg .b32 %r<16>;
  .reg .b64 %rd<16>;
  .reg .pred %p<4>;
  ld.param.u64 %rd1, [in];
  ld.param.u64 %rd2, [out];
  mov.u32 %r1, %tid.x;
  setp.eq.u32 %p1, %r1, 0;
  mov.u32 %r2, m;
  mov.u32 %r3, s;
  @%p1 mbarrier.init.shared.b64 [%r2], 1;
  bar.sync 0;
)";
const std::string waitPhase = "WAIT: mbarrier.try_wait.parity.shared.b64 %p2, [%r2], 0;\n"
                              "@!%p2 bra WAIT;\n";
const std::string load = "@!%p1 bra SKIP;\nmbarrier.arrive.expect_tx.shared.b64 _, [%r2], 256;\n"
                         "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                         "[%r3], [%rd1], 256, [%r2];\nSKIP:\n";
/// Threads change the words, then one stores them.
const std::string change = "shl.b32 %r4, %r1, 2;\nadd.u32 %r4, %r4, %r3;\n"
                           "ld.shared.u32 %r5, [%r4];\nadd.u32 %r5, %r5, 1;\n"
                           "st.shared.u32 [%r4], %r5;\n";
const std::string proxy = "fence.proxy.async.shared::cta;\n", syncAll = "bar.sync 0;\n";
const std::string store = "@!%p1 bra END;\ncp.async.bulk.global.shared::cta.bulk_group [%rd2], "
                          "[%r3], 256;\ncp.async.bulk.commit_group;\n";
const std::string waitStore = "cp.async.bulk.wait_group.read 0;\n", end = "END:\nret;";

std::vector<Finding> run(const std::string &body, std::vector<int> *out = nullptr) {
  Session session(entry(".param .u64 in, .param .u64 out", head + body,
                        ".shared .align 8 .b8 m[8];\n.shared .align 1024 .b8 s[4096];\n"));
  std::vector<int> values(64);
  for (int i = 0; i != 64; ++i)
    values[i] = 1000 + i;
  uint64_t in = session.buffer(values), to = session.undefined(256);
  auto result = session.launch("kernel", {1}, {64}, {argument(in), argument(to)});
  if (out)
    *out = session.read<int>(to, 64);
  return result.findings;
}
void expectOnly(const std::string &body, Check check, const char *message) {
  auto found = run(body);
  EXPECT_FALSE(found.empty()) << message;
  for (const Finding &finding : found) {
    EXPECT_EQ(finding.check, check) << describe(finding);
    EXPECT_NE(finding.message.find(message), std::string::npos) << describe(finding);
  }
}
} // namespace

TEST(BulkCopy, ThereAndBack) {
  std::vector<int> out;
  for (const Finding &finding :
       run(load + waitPhase + change + proxy + syncAll + store + waitStore + end, &out))
    ADD_FAILURE() << describe(finding);
  for (int i = 0; i != 64; ++i)
    EXPECT_EQ(out[i], 1001 + i);
}

TEST(BulkCopy, SeededBugs) {
  expectOnly(load + waitPhase + change + syncAll + store + waitStore + end, Check::Races,
             "fence.proxy.async");
  expectOnly(load + waitPhase + change + proxy + store + waitStore + end, Check::Races,
             "nothing orders");
  expectOnly(load + waitPhase + change + proxy + syncAll + store + end, Check::Races, "wait_group");
  expectOnly(load + waitPhase + change + proxy + syncAll + store + "st.shared.u32 [%r3], 1;\n" +
                 waitStore + end,
             Check::Races, "asynchronous");
  expectOnly(load + "ld.shared.u32 %r5, [%r3];\n" + waitPhase + end, Check::Races, "asynchronous");
  auto bulk = [](const char *operands) {
    return std::string("@%p1 cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes ") +
           operands + ", [%r2];\nret;";
  };
  expectOnly(bulk("[%r3+8], [%rd1], 16"), Check::Misalignment, "multiple of 16");
  expectOnly(bulk("[%r3], [%rd1+4], 16"), Check::Misalignment, "multiple of 16");
  expectOnly("mov.u32 %r6, 24;\n" + bulk("[%r3], [%rd1], %r6"), Check::Misalignment,
             "multiple of 16");
  expectOnly(bulk("[%r3], [%rd1+16], 256"), Check::Bounds, "of a buffer");
}

TEST(BulkCopy, TensorsOfThreeDimensions) {
  // 16-bit elements, 10 × 5 × 4, box 16 × 3 × 4 with every second index of the last: a load to
  // shared memory, read out by threads, and a store of the tile to another tensor.
  for (unsigned swizzle : {0, 1}) {
    Session session(entry(
        ".param .u64 map, .param .u64 out, .param .align 64 .b8 second[128]",
        ".reg .b32 %r<16>;\n.reg .b64 %rd<16>;\n.reg .pred %p<4>;\nld.param.u64 %rd1, [map];\n"
        "ld.param.u64 %rd2, [out];\nmov.b64 %rd3, second;\ncvta.param.u64 %rd3, %rd3;\n"
        "mov.u32 %r1, %tid.x;\nsetp.eq.u32 %p1, %r1, 0;\nmov.u32 %r2, m;\nmov.u32 %r3, s;\n"
        "@%p1 mbarrier.init.shared.b64 [%r2], 1;\nbar.sync 0;\n@!%p1 bra SKIP;\n"
        "mbarrier.arrive.expect_tx.shared.b64 _, [%r2], 192;\nmov.u32 %r6, -2;\n"
        "prefetch.tensormap [%rd1];\n"
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], "
        "[%rd1, {%r6, 3, 0}], [%r2];\nSKIP:\n" +
            waitPhase +
            "shl.b32 %r4, %r1, 2;\nadd.u32 %r5, %r4, %r3;\nld.shared.u32 %r5, [%r5];\n"
            "cvt.u64.u32 %rd4, %r4;\nadd.s64 %rd4, %rd2, %rd4;\nsetp.lt.u32 %p3, %r1, 48;\n"
            "@%p3 st.global.u32 [%rd4], %r5;\n@!%p1 bra END;\n"
            "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%rd3, {%r6, 0, 0}], [%r3];\n"
            "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nEND:\nret;",
        ".shared .align 8 .b8 m[8];\n.shared .align 1024 .b8 s[4096];\n"));
    auto at = [](int x, int y, int z) { return (z * 5 + y) * 16 + x; };
    std::vector<uint16_t> in(4 * 5 * 16), zero(in.size(), 7);
    for (size_t i = 0; i != in.size(); ++i)
      in[i] = 100 + i;
    TensorMap map;
    map.element = TensorMap::Element::U16;
    map.rank = 3;
    map.size = {10, 5, 4};
    map.stride = {32, 160};
    map.box = {16, 3, 4};
    map.step = {1, 1, 2};
    map.swizzle = static_cast<TensorMap::Swizzle>(swizzle);
    map.address = session.buffer(in);
    auto encoded = session.device->encodeTensorMap(map);
    ASSERT_TRUE(static_cast<bool>(encoded));
    uint64_t target = map.address = session.buffer(zero), out = session.undefined(192);
    auto second = session.device->encodeTensorMap(map);
    ASSERT_TRUE(static_cast<bool>(second));
    expectClean(session.launch("kernel", {1}, {64},
                               {argument(session.buffer(*encoded)), argument(out), *second}));
    auto tile = session.read<uint16_t>(out, 96);
    auto copy = session.read<uint16_t>(target, zero.size());
    std::vector<uint16_t> expected = zero;
    for (int z = 0; z != 2; ++z)
      for (int y = 0; y != 3; ++y)
        for (int x = 0; x != 16; ++x) {
          int gx = x - 2, gy = y + 3;
          bool inside = gx >= 0 && gx < 10 && gy < 5;
          uint16_t value = inside ? in[at(gx, gy, 2 * z)] : 0;
          unsigned byte = ((z * 3 + y) * 16 + x) * 2;
          if (swizzle)
            byte ^= ((byte >> 7) & 1) << 4;
          EXPECT_EQ(tile[byte / 2], value) << x << " " << y << " " << z;
          if (gx >= 0 && gx < 10)
            expected[at(gx, y, 2 * z)] = value;
        }
    EXPECT_EQ(copy, expected);
  }
}

TEST(TensorMap, Rules) {
  auto device = createEmulator();
  auto refused = [&](auto change) {
    TensorMap map;
    map.rank = 2;
    map.size = {64, 64};
    map.stride = {64};
    map.box = {64, 8};
    change(map);
    auto result = device->encodeTensorMap(map);
    return result ? std::string() : llvm::toString(result.takeError());
  };
  EXPECT_EQ(refused([](TensorMap &) {}), "");
  EXPECT_NE(refused([](TensorMap &m) { m.rank = 6; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.address = 8; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.stride[0] = 65; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.box[1] = 257; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.box[0] = 24; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.step[1] = 9; }), "");
  EXPECT_NE(refused([](TensorMap &m) { m.swizzle = TensorMap::Swizzle::Bytes32; }), "");
}
