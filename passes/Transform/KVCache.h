// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which arguments of a function are KV caches: by structure, whatever they are called.
//
// A cache is a float argument that a value computed in the call extends (tensor.concat), or is
// written into (tensor.insert_slice, also of both into an empty tensor, which is how older
// frontends concatenate). The extension is returned for the next call, or multiplied with another
// activation, or both; other float inputs that are concatenated with something are not.

#ifndef PTQ_PASSES_TRANSFORM_KVCACHE_H
#define PTQ_PASSES_TRANSFORM_KVCACHE_H

#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/IR/Operation.h"

#include <optional>
#include <string>

namespace ptq {

struct KVCache {
  mlir::BlockArgument argument;
  /// The tensor.concat, or tensor.insert_slices in order; the last one makes the extension.
  llvm::SmallVector<mlir::Operation *> chain = {};

  mlir::Value extension() const { return chain.back()->getResult(0); }
};

/// The values that are `argument` under tensor.casts, itself first.
llvm::SmallVector<mlir::Value> aliasesOf(mlir::Value argument);

/// Whether `argument` is a cache. If it is used like one but cannot be stored in integers, `reason`
/// says why; else that is empty. `parameters` are those of its function.
std::optional<KVCache> matchKVCache(mlir::BlockArgument argument,
                                    const ParameterAnalysis &parameters, std::string &reason);

} // namespace ptq

#endif
