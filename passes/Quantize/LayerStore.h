// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A folder of rounded layers. A run that is interrupted finds there what it had rounded when it is
// started again, and one that is not holds of each layer only a mapping of its file.
//
// A file holds one layer, and is there whole or not at all (AtomicFile.h). It says what the layer
// was made of, as the hash of its weight, its input on all calibration samples and all options: one
// that was made of anything else is never used. Since inputs are those that the rounded layers in
// front have left, a resumed run goes through the model again, but does not round.

#ifndef PTQ_PASSES_QUANTIZE_LAYERSTORE_H
#define PTQ_PASSES_QUANTIZE_LAYERSTORE_H

#include "ptq/Checkpoint/Safetensors.h"
#include "ptq/Quantize/PackedLayer.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// A scheme with all its parts, as text.
std::string describe(const numerics::WeightScheme &scheme);

class LayerStore {
public:
  /// Opens or makes the folder `path` for a run whose options and layers `run` describes. The
  /// folder is locked as long as this lives, and what a killed process left half written is
  /// removed. Errors: the folder is another run's, or in use, or has other files; it cannot be
  /// written. Of several processes the first has this folder, and the others, which may not see it,
  /// temporary files that are nameless once they are mapped.
  static llvm::Expected<std::unique_ptr<LayerStore>> open(llvm::StringRef path,
                                                          llvm::StringRef run);
  ~LayerStore();

  struct Entry {
    PackedWeight weight;
    RoundingRecord record;
  };
  /// What is there of the layer, or nothing. Collective (Communicator.h). `made` is the hash of all
  /// that it is made of; where that differs, or the file does not fit the shape, the error says
  /// what to do.
  llvm::Expected<std::optional<Entry>> find(LinearOp layer, const numerics::WeightScheme &scheme,
                                            llvm::StringRef made);
  /// Writes the layer's file and replaces the weight by its mapping.
  llvm::Error keep(LinearOp layer, llvm::StringRef made, Entry &entry);

private:
  LayerStore(std::string path, int lock) : path(std::move(path)), lock(lock) {}
  bool isTemporary() const { return lock < 0; }
  llvm::Expected<std::string> fileOf(LinearOp layer);
  /// Maps a layer's file; a temporary one loses its name.
  llvm::Expected<std::shared_ptr<const checkpoint::SafetensorsFile>>
  map(const std::string &path) const;
  /// Brings the first process's file, if it has one, to the others.
  llvm::Error share(const std::string &file) const;

  std::string path; ///< Empty in temporary files.
  int lock;         ///< A file descriptor; -1 for temporary files.
  /// Layers of one name are numbered as they come.
  llvm::StringMap<unsigned> count;
  llvm::DenseMap<mlir::Operation *, std::string> files;
};

} // namespace ptq

#endif
