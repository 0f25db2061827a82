// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory for new constants of a model that may be larger than memory.

#ifndef PTQ_ANALYSIS_SCRATCHBLOB_H
#define PTQ_ANALYSIS_SCRATCHBLOB_H

#include "mlir/IR/AsmState.h"

namespace ptq {

/// From this size on, in bytes, a scratch blob is in a file.
inline constexpr size_t scratchFileBytes = size_t(4) << 20;

/// Mutable memory of `bytes` bytes, not initialized. From scratchFileBytes on it is the mapping of
/// a temporary file without a name in $TMPDIR or, without it, /var/tmp: where memory gets short the
/// system writes it out, as it drops pages of mapped weights. The file is gone with the blob, and
/// with the process however that ends. Where there is no such file, or no room for it, and below
/// that size, it is ordinary memory.
mlir::AsmResourceBlob allocateScratchBlob(size_t bytes, size_t alignment);

} // namespace ptq

#endif
