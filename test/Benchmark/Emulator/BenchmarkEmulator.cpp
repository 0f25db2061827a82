// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rates of the emulator with all checkers on, on one host thread but for the GEMM: instructions of
// warps per second.

#include "ptq/Emulator/Device.h"

#include "benchmark/benchmark.h"

using namespace ptq::emulator;

namespace {
/// A loop of `repetitions` rounds around `body`, unrolled `unroll` times; one CTA of 8 warps.
std::string loop(const std::string &body, int unroll, const std::string &setup = "") {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n"
                     ".visible .entry kernel(.param .u64 p, .param .u32 n)\n{\n"
                     ".reg .b32 %r<40>; .reg .b64 %rd<8>; .reg .pred %q;\n"
                     ".shared .align 16 .b8 s[8192];\n"
                     "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x;\n"
                     "mov.b32 %r3, 1; mov.b32 %r4, 2; mov.b32 %r5, 3; mov.b32 %r6, 4;\n"
                     "mov.b32 %r10, 0; mov.b32 %r11, 0; mov.b32 %r12, 0; mov.b32 %r13, 0;\n" +
                     setup + "L:\n";
  for (int i = 0; i != unroll; ++i)
    text += body;
  return text + "add.s32 %r1, %r1, -1; setp.ne.s32 %q, %r1, 0; @%q bra L;\n"
                "add.s32 %r3, %r3, %r4; add.s32 %r3, %r3, %r10; mul.wide.u32 %rd2, %r2, 4;\n"
                "add.s64 %rd1, %rd1, %rd2; st.global.u32 [%rd1], %r3; ret;\n}\n";
}

void run(benchmark::State &state, const std::string &ptx, int unroll) {
  EmulatorOptions options;
  options.threads = 1;
  options.watchdog = ~uint64_t(0);
  auto device = createEmulator(options);
  auto module = device->load(ptx, "benchmark.ptx");
  if (!module)
    return state.SkipWithError(llvm::toString(module.takeError()).c_str());
  auto buffer = device->allocate(1024);
  if (!buffer)
    return state.SkipWithError(llvm::toString(buffer.takeError()).c_str());
  constexpr uint32_t rounds = 2000;
  for (auto _ : state) {
    auto result =
        device->launch(**module, "kernel", {{1}, {256}, 0}, {argument(*buffer), argument(rounds)});
    if (!result)
      return state.SkipWithError(llvm::toString(result.takeError()).c_str());
    if (!result->findings.empty())
      return state.SkipWithError(describe(result->findings.front()).c_str());
  }
  state.SetItemsProcessed(state.iterations() * int64_t(rounds) * unroll * 8);
}
} // namespace

static void warpAdds(benchmark::State &state) {
  run(state, loop("add.s32 %r3, %r3, %r4; add.s32 %r4, %r5, %r3;\n", 32), 64);
}
BENCHMARK(warpAdds)->Unit(benchmark::kMillisecond);

static const char *const storeShared =
    "mov.u32 %r20, s; shl.b32 %r21, %r2, 4; add.s32 %r20, %r20, %r21;\n"
    "st.shared.v4.u32 [%r20], {%r3,%r3,%r3,%r3}; mov.u32 %r20, s; shl.b32 %r21, %r2, 2;\n"
    "add.s32 %r20, %r20, %r21; bar.sync 0;\n";

static void checkedSharedLoads(benchmark::State &state) {
  run(state,
      loop("ld.shared.u32 %r10, [%r20]; ld.shared.u32 %r11, [%r20+1024];\n", 16, storeShared), 32);
}
BENCHMARK(checkedSharedLoads)->Unit(benchmark::kMillisecond);

static void mmaS8(benchmark::State &state) {
  run(state,
      loop("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r10,%r11,%r12,%r13}, "
           "{%r3,%r4,%r5,%r6}, {%r3,%r4}, {%r10,%r11,%r12,%r13};\n",
           16),
      16);
}
BENCHMARK(mmaS8)->Unit(benchmark::kMillisecond);

/// 512×512×512 in int8: CTAs of 4 warps compute 64×64 with cp.async into shared memory, ldmatrix
/// and mma.
static std::string gemm() {
  std::string text = R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry gemm(.param .u64 pa, .param .u64 pb, .param .u64 pc)
{
  .reg .b32 %r<20>, a<4>, b<16>, c<32>; .reg .b64 %rd<20>; .reg .pred %q;
  .shared .align 16 .b8 sa[5120]; .shared .align 16 .b8 sb[5120];
  ld.param.u64 %rd1, [pa]; ld.param.u64 %rd2, [pb]; ld.param.u64 %rd3, [pc];
  mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ctaid.y;
  shr.u32 %r4, %r1, 5; and.b32 %r5, %r1, 31;
  // A thread copies 16 bytes of rows t/4 and t/4 + 32, of A and of B.
  shr.u32 %r6, %r1, 2; and.b32 %r7, %r1, 3; shl.b32 %r7, %r7, 4;
  mad.lo.u32 %r8, %r6, 80, %r7;
  mov.u32 %r9, sa; add.u32 %r9, %r9, %r8; mov.u32 %r10, sb; add.u32 %r10, %r10, %r8;
  shl.b32 %r11, %r3, 6; add.u32 %r11, %r11, %r6; shl.b32 %r11, %r11, 9; add.u32 %r11, %r11, %r7;
  cvt.u64.u32 %rd4, %r11; add.s64 %rd4, %rd4, %rd1;
  shl.b32 %r11, %r2, 6; add.u32 %r11, %r11, %r6; shl.b32 %r11, %r11, 9; add.u32 %r11, %r11, %r7;
  cvt.u64.u32 %rd5, %r11; add.s64 %rd5, %rd5, %rd2;
  // ldmatrix: rows of A of this warp, rows of B.
  and.b32 %r12, %r5, 15; shl.b32 %r13, %r4, 4; add.u32 %r12, %r12, %r13;
  shr.u32 %r13, %r5, 4; shl.b32 %r13, %r13, 4; mad.lo.u32 %r12, %r12, 80, %r13;
  mov.u32 %r14, sa; add.u32 %r12, %r12, %r14;
  and.b32 %r13, %r5, 7; shr.u32 %r15, %r5, 3; shl.b32 %r15, %r15, 4;
  mad.lo.u32 %r13, %r13, 80, %r15; mov.u32 %r14, sb; add.u32 %r13, %r13, %r14;
  mov.u32 %r16, 8;
)";
  for (int i = 0; i != 32; ++i)
    text += "mov.b32 c" + std::to_string(i) + ", 0;\n";
  text += R"(L:
  cp.async.cg.shared.global [%r9], [%rd4], 16; cp.async.cg.shared.global [%r9+2560], [%rd4+16384], 16;
  cp.async.cg.shared.global [%r10], [%rd5], 16; cp.async.cg.shared.global [%r10+2560], [%rd5+16384], 16;
  cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
)";
  for (int k = 0; k != 2; ++k) {
    text += "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {a0,a1,a2,a3}, [%r12+" +
            std::to_string(32 * k) + "];\n";
    for (int n = 0; n != 8; ++n) {
      std::string c = std::to_string(4 * n), c1 = std::to_string(4 * n + 1),
                  c2 = std::to_string(4 * n + 2), c3 = std::to_string(4 * n + 3);
      std::string acc = "{c" + c + ",c" + c1 + ",c" + c2 + ",c" + c3 + "}";
      if (k == 0)
        text += "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {b0,b1,b2,b3}, [%r13+" +
                std::to_string(640 * n) + "];\n";
      else
        text += "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {b2,b3}, [%r13+" +
                std::to_string(640 * n + 32) + "];\n";
      text += "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 " + acc + ", {a0,a1,a2,a3}, " +
              (k == 0 ? "{b0,b1}, " : "{b2,b3}, ") + acc + ";\n";
    }
  }
  text += R"(  bar.sync 0;
  add.s64 %rd4, %rd4, 64; add.s64 %rd5, %rd5, 64; add.s32 %r16, %r16, -1;
  setp.ne.s32 %q, %r16, 0; @%q bra L;
  shr.u32 %r6, %r5, 2; and.b32 %r7, %r5, 3; shl.b32 %r8, %r3, 6; shl.b32 %r9, %r4, 4;
  add.u32 %r8, %r8, %r9; add.u32 %r8, %r8, %r6; shl.b32 %r8, %r8, 9;
  shl.b32 %r9, %r2, 6; add.u32 %r8, %r8, %r9; shl.b32 %r7, %r7, 1; add.u32 %r8, %r8, %r7;
  mul.wide.u32 %rd6, %r8, 4; add.s64 %rd6, %rd6, %rd3;
)";
  for (int n = 0; n != 8; ++n) {
    auto c = [&](int i) { return "c" + std::to_string(4 * n + i); };
    text +=
        "st.global.v2.u32 [%rd6+" + std::to_string(32 * n) + "], {" + c(0) + "," + c(1) + "};\n";
    text += "st.global.v2.u32 [%rd6+" + std::to_string(32 * n + 8 * 2048) + "], {" + c(2) + "," +
            c(3) + "};\n";
  }
  return text + "ret;\n}\n";
}

static void gemm512(benchmark::State &state) {
  constexpr int size = 512;
  std::vector<char> a(size * size), b(size * size);
  for (size_t i = 0; i != a.size(); ++i) {
    a[i] = static_cast<char>(i * 2654435761u >> 13);
    b[i] = static_cast<char>(i * 40503u >> 7);
  }
  auto device = createEmulator();
  auto module = device->load(gemm(), "gemm.ptx");
  if (!module)
    return state.SkipWithError(llvm::toString(module.takeError()).c_str());
  uint64_t addresses[3];
  for (int i = 0; i != 3; ++i) {
    auto buffer = device->allocate(i == 2 ? size * size * 4 : size * size);
    if (!buffer)
      return state.SkipWithError(llvm::toString(buffer.takeError()).c_str());
    addresses[i] = *buffer;
  }
  llvm::cantFail(device->write(addresses[0], a));
  llvm::cantFail(device->write(addresses[1], b));
  for (auto _ : state) {
    auto result =
        device->launch(**module, "gemm", {{8, 8}, {128}, 0},
                       {argument(addresses[0]), argument(addresses[1]), argument(addresses[2])});
    if (!result)
      return state.SkipWithError(llvm::toString(result.takeError()).c_str());
    if (!result->findings.empty())
      return state.SkipWithError(describe(result->findings.front()).c_str());
  }
  std::vector<int> c(size * size);
  llvm::cantFail(device->read(
      addresses[2], llvm::MutableArrayRef<char>(reinterpret_cast<char *>(c.data()), c.size() * 4)));
  for (int i = 0; i < size; i += 37)
    for (int j = 0; j < size; j += 41) {
      int expected = 0;
      for (int k = 0; k != size; ++k)
        expected += static_cast<int8_t>(a[i * size + k]) * static_cast<int8_t>(b[j * size + k]);
      if (c[i * size + j] != expected)
        return state.SkipWithError("a wrong product");
    }
}
BENCHMARK(gemm512)->Unit(benchmark::kMillisecond)->UseRealTime();
