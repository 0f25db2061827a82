// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint: the tensors of one or more safetensors files under one set of names.
//
#ifndef PTQ_CHECKPOINT_CHECKPOINT_H
#define PTQ_CHECKPOINT_CHECKPOINT_H

#include "ptq/Checkpoint/Safetensors.h"

#include <optional>

namespace ptq::checkpoint {

/// A tensor of a checkpoint. `data` and `info` are valid while `owner` (or the Checkpoint) is
/// alive; an IR blob keeps `owner` in its deleter.
struct TensorView {
  const TensorInfo *info;
  llvm::ArrayRef<char> data;
  std::shared_ptr<const void> owner;
};

/// Immutable once opened; shared freely between threads.
class Checkpoint {
public:
  /// Opens `files`, each a .safetensors file or a sharded checkpoint's index (*.json:
  /// {"weight_map": {tensor: shard}}, shards named relative to the index). Errors: a missing or
  /// malformed file, a shard path that leaves the index's folder, a tensor the index places in a
  /// shard that does not hold it, a tensor that two files hold.
  static llvm::Expected<std::shared_ptr<const Checkpoint>> open(llvm::ArrayRef<std::string> files);

  /// The tensor of that name.
  std::optional<TensorView> lookup(llvm::StringRef name) const;

  /// All names, sorted. They live as long as the checkpoint.
  llvm::ArrayRef<llvm::StringRef> names() const { return sortedNames; }

  /// The existing name closest to `name`, for "did you mean": the one of least edit distance if no
  /// more than a third of the characters differ, else one that differs by a prefix of whole
  /// components ("model."); nullopt if there is neither.
  std::optional<llvm::StringRef> suggest(llvm::StringRef name) const;

  /// The mapped files, in the order given (an index's shards in the order of their names).
  llvm::ArrayRef<std::shared_ptr<const SafetensorsFile>> files() const { return mappedFiles; }

private:
  struct Location {
    size_t fileIndex;
    const TensorInfo *info;
  };

  Checkpoint() = default;
  llvm::Error addFile(llvm::StringRef path);
  llvm::Error addIndex(llvm::StringRef path);

  std::vector<std::shared_ptr<const SafetensorsFile>> mappedFiles;
  llvm::StringMap<Location> locations;
  std::vector<llvm::StringRef> sortedNames;
};

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_CHECKPOINT_H
