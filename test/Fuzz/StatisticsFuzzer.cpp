// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads any bytes as a statistics file. What loads has consistent records.

#include "InputFolder.h"
#include "ptq/Statistics/StatisticsFile.h"

#include <cmath>

using namespace ptq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fuzz::InputFolder folder;
  auto file = statistics::StatisticsFile::load(
      folder.write("statistics.safetensors", fuzz::textOf(data, size)));
  if (!file) {
    fuzz::require(!llvm::toString(file.takeError()).empty(), "an error says what is wrong");
    return 0;
  }
  for (llvm::StringRef layer : (*file)->layers()) {
    const statistics::ActivationStatistics *found = (*file)->find(layer);
    fuzz::require(found && found->tokens >= 0, "a listed layer has a record");
    for (float value : found->absmax)
      fuzz::require(value >= 0 && std::isfinite(value), "magnitudes are finite");
    llvm::ArrayRef<float> gram = (*file)->gram(layer);
    fuzz::require(gram.empty() || gram.size() == found->absmax.size() * found->absmax.size(),
                  "a Gram matrix is square");
  }
  return 0;
}
