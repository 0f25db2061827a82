// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model's folder as Hugging Face's libraries lay it out: config.json, the weights as
// model.safetensors or shards with model.safetensors.index.json, tokenizer and other files.

#ifndef PTQ_CHECKPOINT_MODELFOLDER_H
#define PTQ_CHECKPOINT_MODELFOLDER_H

#include "ptq/Checkpoint/Checkpoint.h"
#include "ptq/Checkpoint/QuantizationConfig.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"

#include "llvm/Support/JSON.h"

namespace ptq::checkpoint {

struct ModelFolder {
  std::string path;
  llvm::json::Object config; ///< config.json.
  std::shared_ptr<const Checkpoint> tensors;

  /// Opens a folder: the index if there is one, else model.safetensors, else the one file
  /// *.safetensors in it. Errors: no config.json, no weights, what Checkpoint::open() refuses.
  static llvm::Expected<ModelFolder> open(llvm::StringRef path);

  /// quantization_config of config.json (or its compression_config), else quantize_config.json;
  /// nothing in a float model's folder.
  llvm::Expected<std::optional<QuantizationConfig>> quantization() const;
};

/// Writes a folder beside `path` and renames it to `path` once it is complete: `config` as
/// config.json, `tensors` in files of at most maxShardBytes of data each (one tensor at least),
/// with an index if there are several, and everything of `source` but its config, weights and
/// indices. gptq's older readers find the quantization_config in quantize_config.json too. The
/// bytes depend on the arguments only. Errors: `path` exists and is not an empty folder, a file
/// that cannot be read or written.
llvm::Error writeModelFolder(llvm::StringRef path, const ModelFolder &source,
                             llvm::json::Object config, std::vector<TensorEntry> tensors,
                             uint64_t maxShardBytes);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_MODELFOLDER_H
