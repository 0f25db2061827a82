// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory for new constants of a model that may be larger than memory.

#ifndef PTQ_ANALYSIS_SCRATCHBLOB_H
#define PTQ_ANALYSIS_SCRATCHBLOB_H

#include "ptq/Analysis/StoredConstant.h"

#include "mlir/IR/AsmState.h"
#include "llvm/ADT/STLExtras.h"

namespace ptq {

/// From this size on, in bytes, a scratch blob is in a file.
inline constexpr size_t scratchFileBytes = size_t(4) << 20;

/// Mutable memory of `bytes` bytes, not initialized. From scratchFileBytes on it is the mapping of
/// a temporary file without a name in $TMPDIR or, without it, /var/tmp: where memory gets short the
/// system writes it out, as it drops pages of mapped weights. The file is gone with the blob, and
/// with the process however that ends. Where there is no such file, or no room for it, and below
/// that size, it is ordinary memory.
mlir::AsmResourceBlob allocateScratchBlob(size_t bytes, size_t alignment);

/// The array, moved to a scratch blob if it is large enough for a file.
template <typename T> StoredArray<T> storeInScratch(std::vector<T> data) {
  size_t bytes = data.size() * sizeof(T);
  if (bytes < scratchFileBytes)
    return data;
  auto blob = std::make_shared<mlir::AsmResourceBlob>(allocateScratchBlob(bytes, alignof(T)));
  auto *target = reinterpret_cast<T *>(blob->getMutableData().data());
  llvm::copy(data, target);
  llvm::ArrayRef<T> view(target, data.size());
  return StoredArray<T>(view, std::move(blob));
}

} // namespace ptq

#endif
