// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writing a safetensors file.
//
#ifndef PTQ_CHECKPOINT_SAFETENSORSWRITER_H
#define PTQ_CHECKPOINT_SAFETENSORSWRITER_H

#include "ptq/Checkpoint/DType.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <string>

namespace ptq::checkpoint {

/// A tensor to write. `data` is row major, little endian, shape × byteWidth(dtype) bytes; it is
/// read, never copied, and may lie in a mapping of the very file that is replaced.
struct TensorEntry {
  std::string name;
  DType dtype;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<char> data;
};

/// Writes `tensors` and `metadata` to `path`, atomically (AtomicFile.h). Data are ordered by
/// descending element width, then name, and start at a multiple of 64 bytes, so each tensor is
/// aligned to its element in a mapping. The bytes depend on the set of tensors only, not on their
/// order. Errors: a name that occurs twice, is "__metadata__" or not UTF-8, a negative extent, data
/// whose size is not that of the shape, a header over the format's limit, a full disk.
llvm::Error writeSafetensors(llvm::StringRef path, llvm::ArrayRef<TensorEntry> tensors,
                             const std::map<std::string, std::string> &metadata = {});

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_SAFETENSORSWRITER_H
