// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads any bytes as a quantization_config. What is read can be asked about layers, and what can be
// written again is read as the same.

#include "InputFolder.h"
#include "ptq/Checkpoint/QuantizationConfig.h"
#include "ptq/Checkpoint/StrictJSON.h"

using namespace ptq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto json = checkpoint::parseStrictJSON(fuzz::textOf(data, size));
  if (!json) {
    llvm::consumeError(json.takeError());
    return 0;
  }
  const llvm::json::Object *object = json->getAsObject();
  if (!object)
    return 0;
  auto config = checkpoint::parseQuantizationConfig(*object);
  if (!config) {
    fuzz::require(!llvm::toString(config.takeError()).empty(), "an error says what is wrong");
    return 0;
  }
  const checkpoint::LayerConfig *layer = config->find("model.layers.0.self_attn.q_proj");
  auto written = checkpoint::toJSON(*config);
  if (!written) {
    llvm::consumeError(written.takeError());
    return 0;
  }
  auto again = checkpoint::parseQuantizationConfig(*written);
  if (!again) {
    llvm::errs() << llvm::toString(again.takeError()) << "\n";
    fuzz::require(false, "what is written is read");
  }
  const checkpoint::LayerConfig *same = again->find("model.layers.0.self_attn.q_proj");
  fuzz::require(bool(layer) == bool(same) && (!layer || *layer == *same),
                "what is written and read says the same of a layer");
  return 0;
}
