// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A safetensors file, mapped and validated.
//
// Layout: 8 bytes H (little endian), H bytes of JSON, then the data section. The JSON maps each
// tensor name to {dtype, shape, data_offsets: [begin, end]}, offsets counted from the start of the
// data section; the reserved name __metadata__ maps to an object of strings. Tensors tile the data
// section: no hole, no overlap, nothing behind the last one.
//
#ifndef PTQ_CHECKPOINT_SAFETENSORS_H
#define PTQ_CHECKPOINT_SAFETENSORS_H

#include "ptq/Checkpoint/DType.h"
#include "ptq/Checkpoint/MappedFileGuard.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ptq::checkpoint {

/// One tensor's entry in a header.
struct TensorInfo {
  std::string name;
  DType dtype;
  /// Row-major extents, each ≥ 0; empty for a scalar.
  llvm::SmallVector<int64_t, 4> shape;
  /// Bytes [begin, end) of the data section.
  uint64_t begin, end;

  /// Number of elements: the product of the extents (1 for a scalar). Never overflows in an opened
  /// file.
  int64_t numElements() const;
};

/// A read-only mapping of one file. Immutable, so shared freely between threads; the mapping lives
/// as long as the object, also when another process replaces the file by renaming over it.
class SafetensorsFile {
public:
  /// Largest header accepted, in bytes (the reference implementation's limit).
  static constexpr uint64_t maxHeaderBytes = 100'000'000;

  /// Maps `path` and validates its header; tensor data is not touched, so the cost depends on the
  /// header only. Errors name the file, the tensor, the byte and the remedy.
  static llvm::Expected<std::shared_ptr<const SafetensorsFile>> open(llvm::StringRef path);

  llvm::StringRef path() const { return filePath; }

  /// All tensors, in the order of their data.
  llvm::ArrayRef<TensorInfo> tensors() const { return infos; }

  /// The tensor of that name, or null.
  const TensorInfo *find(llvm::StringRef name) const;

  /// The tensor's bytes in the mapping. `info` must come from this file.
  llvm::ArrayRef<char> data(const TensorInfo &info) const;

  /// Whether the tensor's bytes lie at a multiple of its element width in memory. The format allows
  /// them not to; then they may be copied (memcpy) but not read through a typed pointer.
  bool isAligned(const TensorInfo &info) const;

  /// The header's __metadata__, empty if it has none.
  const std::map<std::string, std::string> &metadata() const { return metadataEntries; }

private:
  SafetensorsFile() = default;

  std::string filePath;
  llvm::sys::fs::mapped_file_region mapping;
  MappedFileRange guarded; ///< Ends before the mapping does.
  uint64_t dataStart = 0;
  std::vector<TensorInfo> infos;
  llvm::StringMap<size_t> indexOfName;
  std::map<std::string, std::string> metadataEntries;
};

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_SAFETENSORS_H
