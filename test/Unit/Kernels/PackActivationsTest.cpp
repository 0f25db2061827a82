// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two int4 activations in a byte, in the emulator.

#include "ptq/Kernels/PackActivations.h"
#include "KernelHarness.h"

#include <gtest/gtest.h>

using namespace ptq::kernels;
using namespace ptq::kernels::test;

TEST(PackActivations, PutsPairsInBytes) {
  struct {
    int64_t m, k;
  } const shapes[] = {{1, 1}, {3, 64}, {5, 1100}, {2, 66}, {7, 4099}};
  for (auto [m, k] : shapes)
    for (const char *chip : {"sm_80", "sm_89"}) {
      SCOPED_TRACE(testing::Message() << m << "x" << k << " " << chip);
      std::vector<int8_t> q = randomCodes(m * k, -8, 7, 1);
      int64_t inputs = k, rowBytes = packedActivationBytes(k);
      EXPECT_EQ(rowBytes, (k + 63) / 64 * 32);
      std::string ptx = compile(
          [&](mlir::gpu::GPUModuleOp module) { emitPackActivations(module, "kernel", inputs); },
          chip);
      GemmTile tile = packActivationsTile();
      KernelRun result =
          run(ptx, tile.blocks(m, rowBytes), tile.threads(), 0, {bytesOf(q)}, m * rowBytes, m);
      ASSERT_EQ(static_cast<int64_t>(result.output.size()), m * rowBytes);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < 2 * rowBytes; ++j) {
          int nibble = result.output[i * rowBytes + j / 2] >> (4 * (j % 2)) & 0xf;
          ASSERT_EQ(nibble, j < k ? q[i * k + j] & 0xf : 0) << i << ", " << j;
        }
    }
}
