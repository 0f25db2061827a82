// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled kernels, by structure.
//
#ifndef PTQ_EXECUTION_KERNELCACHE_H
#define PTQ_EXECUTION_KERNELCACHE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string>

namespace ptq::execution {

class KernelCompiler;

/// A compiled kernel. `buffers`: the data of its tensors, inputs first, then outputs. `scalars`:
/// sizes of the dynamic dimensions, then captured scalars, each in 8 bytes. `*failure` is set to
/// the number (1, 2, …) of a check that did not hold, and left alone otherwise.
using KernelFunction = void (*)(void *const *buffers, const int64_t *scalars, int32_t *failure);

/// Compiles kernels for this CPU and keeps them. A kernel's text is its key, so that equal
/// operations of any function, in any context, share one. Not thread safe.
class KernelCache {
public:
  KernelCache();
  ~KernelCache();

  /// Makes sure that all `texts` are compiled, equal ones once, and returns how many were new. An
  /// error begins with `describe(index)` of the text that could not be compiled.
  llvm::Expected<int64_t> compile(llvm::ArrayRef<llvm::StringRef> texts,
                                  llvm::function_ref<std::string(size_t index)> describe);

  /// The compiled kernel, or null.
  KernelFunction lookup(llvm::StringRef text) const;

private:
  std::unique_ptr<KernelCompiler> compiler;
  llvm::StringMap<KernelFunction> kernels;
};

} // namespace ptq::execution

#endif // PTQ_EXECUTION_KERNELCACHE_H
