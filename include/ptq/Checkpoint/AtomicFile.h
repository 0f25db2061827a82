// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writing a file so that it is there whole or not at all.
//
#ifndef PTQ_CHECKPOINT_ATOMICFILE_H
#define PTQ_CHECKPOINT_ATOMICFILE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace ptq::checkpoint {

/// Calls `write` with a stream to a temporary file in the folder of `path`, and renames it to
/// `path` once all is written and on the disk (fsync of the file before, of the folder after). If
/// `write` or the disk fails, the temporary is removed, `path` is as it was, and the error names
/// `path` (an error of `write` itself is passed on unchanged). Readers, mappings of an older `path`
/// included, see the old file or the new one. A symbolic link is followed and stays; an existing
/// file's permissions are kept; what is not a regular file
/// (/dev/stdout, a pipe) is written directly. A process killed outright (SIGKILL, power loss)
/// leaves `path` whole, old or new, and possibly a file `.ptq-*.tmp` beside it, which may be
/// deleted.
llvm::Error writeFileAtomically(llvm::StringRef path,
                                llvm::function_ref<llvm::Error(llvm::raw_pwrite_stream &)> write);

/// Waits until a file, or a folder's list of entries, is on the disk. Error: it cannot be opened,
/// the disk reports an error.
llvm::Error synchronizeToDisk(llvm::StringRef path);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_ATOMICFILE_H
