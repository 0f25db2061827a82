// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs of the CUDA toolkit: found, and run on temporary files.

#ifndef PTQ_LIB_KERNELS_CUDATOOLS_H
#define PTQ_LIB_KERNELS_CUDATOOLS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"

#include <string>

namespace ptq::kernels {

/// The program's path: on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin; empty if there is
/// none.
std::string findCudaTool(llvm::StringRef name);

/// A file that is removed with the object.
class TemporaryFile {
public:
  /// An error names the tool that it is for.
  static llvm::Expected<TemporaryFile> create(llvm::StringRef suffix, llvm::StringRef tool);
  TemporaryFile(TemporaryFile &&other) : path(std::move(other.path)) { other.path.clear(); }
  TemporaryFile(const TemporaryFile &) = delete;
  ~TemporaryFile();

  llvm::StringRef name() const { return path; }
  llvm::Error write(llvm::StringRef content) const;
  llvm::Expected<std::string> read() const;

private:
  TemporaryFile() = default;
  llvm::SmallString<128> path;
};

/// Runs a tool; returns what it printed. An error says what it printed, or where it was looked for.
llvm::Expected<std::string> runCudaTool(llvm::StringRef name,
                                        llvm::ArrayRef<std::string> arguments);

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_CUDATOOLS_H
