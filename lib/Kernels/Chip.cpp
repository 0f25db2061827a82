// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/Chip.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace ptq::kernels;

// sm_90a: mma.sync reaches three quarters of the tensor cores' peak; only wgmma has all of it.
static constexpr double hopperPeak = 4, hopperMmaCycles = hopperPeak / 0.75;

static constexpr Chip table[] = {
    {"sm_80", "+ptx80", "A100-40 SXM", 108, 1.41, 1555, 5120, 163 << 10, 164 << 10, 2048, 8, 8, 8,
     true, false},
    {"sm_86", "+ptx80", "A10", 72, 1.695, 600, 2048, 99 << 10, 100 << 10, 1536, 16, 16, 16, true,
     false},
    {"sm_89", "+ptx80", "L40S", 142, 2.52, 864, 4096, 99 << 10, 100 << 10, 1536, 16, 16, 16, true,
     false},
    {"sm_90a", "+ptx80", "H100 SXM", 132, 1.83, 3352, 5120, 227 << 10, 228 << 10, 2048,
     hopperMmaCycles, hopperMmaCycles, hopperPeak, false, true},
};

llvm::ArrayRef<Chip> ptq::kernels::chips() { return table; }

const Chip *ptq::kernels::findChip(llvm::StringRef name) {
  const Chip *chip = llvm::find_if(table, [&](const Chip &c) { return c.name == name; });
  return chip == std::end(table) ? nullptr : chip;
}

llvm::Expected<const Chip *> ptq::kernels::requireChip(llvm::StringRef name) {
  if (const Chip *chip = findChip(name))
    return chip;
  std::string names;
  for (const Chip &known : chips())
    names += (names.empty() ? "" : ", ") + known.name.str();
  return llvm::createStringError("knows no chip '" + name + "'; it knows " + names);
}

Chip ptq::kernels::commonChip(llvm::ArrayRef<const Chip *> chips) {
  Chip common = *chips.front();
  for (const Chip *chip : chips.drop_front()) {
    common.sharedPerBlock = std::min(common.sharedPerBlock, chip->sharedPerBlock);
    common.sharedPerMultiprocessor =
        std::min(common.sharedPerMultiprocessor, chip->sharedPerMultiprocessor);
    common.threadsPerMultiprocessor =
        std::min(common.threadsPerMultiprocessor, chip->threadsPerMultiprocessor);
    common.hasMmaS4 &= chip->hasMmaS4;
    common.hasWgmma &= chip->hasWgmma;
  }
  return common;
}
