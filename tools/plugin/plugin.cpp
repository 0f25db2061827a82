// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect and the passes as a shared library for the stock mlir-opt.
//
// It links libMLIR and libLLVM dynamically: with a copy of its own it would load, and register its passes with
// a registry that nobody reads.

#include "ptq/InitAll.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

// The entry points' declarations are weak and say nothing of visibility, and the project hides by default.
#define PTQ_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))

PTQ_PLUGIN_EXPORT mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "PTQ", "0.1.0",
          [](mlir::DialectRegistry *registry) { ptq::registerDialects(*registry); }};
}

PTQ_PLUGIN_EXPORT mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "PTQ", "0.1.0", [] { ptq::registerAllPasses(); }};
}
