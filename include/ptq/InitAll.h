// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything an embedder registers: the dialect and the passes. The tools, the plugin and the C API
// call this.

#ifndef PTQ_INITALL_H
#define PTQ_INITALL_H

#include "mlir/IR/DialectRegistry.h"

namespace ptq {

/// Adds the ptq dialect to the registry.
void registerDialects(mlir::DialectRegistry &registry);

/// Registers all passes with MLIR's global registry, for textual pipelines. Safe to call more than
/// once.
void registerAllPasses();

/// Both of the above.
void registerAll(mlir::DialectRegistry &registry);

} // namespace ptq

#endif
