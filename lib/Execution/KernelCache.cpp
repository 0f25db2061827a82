// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Execution/KernelCache.h"
#include "KernelCompiler.h"

#include "llvm/ADT/StringSet.h"

namespace ptq::execution {

KernelCache::KernelCache() : compiler(std::make_unique<KernelCompiler>()) {}
KernelCache::~KernelCache() = default;

llvm::Expected<int64_t> KernelCache::compile(llvm::ArrayRef<llvm::StringRef> texts,
                                             llvm::function_ref<std::string(size_t)> describe) {
  std::vector<KernelCompiler::Request> requests;
  llvm::StringSet<> requested;
  for (auto [index, text] : llvm::enumerate(texts))
    if (!kernels.count(text) && requested.insert(text).second)
      requests.push_back({text, describe(index)});
  if (requests.empty())
    return 0;
  auto functions = compiler->compile(requests);
  if (!functions)
    return functions.takeError();
  for (auto [request, function] : llvm::zip_equal(requests, *functions))
    kernels[request.text] = function;
  return requests.size();
}

KernelFunction KernelCache::lookup(llvm::StringRef text) const { return kernels.lookup(text); }

} // namespace ptq::execution
