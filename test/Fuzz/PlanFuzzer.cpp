// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parses any bytes as a precision plan. The rules of what parses are in range and can be matched.

#include "InputFolder.h"
#include "PrecisionPlan.h"

using namespace ptq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // The buffer ends where the input ends, as a file's does: with a zero that is not part of it.
  std::string text = fuzz::textOf(data, size).str();
  auto plan = PrecisionPlan::parse(llvm::MemoryBufferRef(text, "plan.yaml"));
  if (!plan) {
    fuzz::require(!llvm::toString(plan.takeError()).empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::require(!plan->rules.empty(), "a plan has rules");
  for (const PrecisionRule &rule : plan->rules) {
    fuzz::require(rule.keepFloat || (rule.bits >= 2 && rule.bits <= 8), "bits are in range");
    (void)rule.matches("model.layers.0.self_attn.q_proj", LayerRole::Other);
  }
  return 0;
}
