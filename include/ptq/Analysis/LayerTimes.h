// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long layers took to round. Times are no part of the IR: two runs of the same command print
// the same module. They are kept beside it, in the context's ptq dialect, for the report.

#ifndef PTQ_ANALYSIS_LAYERTIMES_H
#define PTQ_ANALYSIS_LAYERTIMES_H

#include "mlir/IR/DialectInterface.h"
#include "llvm/ADT/StringMap.h"
#include <mutex>
#include <optional>

namespace ptq {

/// Seconds by the names of layers and embedding tables. Where two modules of a context have layers
/// of one name, the last one rounded is known. Safe to use from several threads.
class LayerTimes : public mlir::DialectInterface::Base<LayerTimes> {
public:
  explicit LayerTimes(mlir::Dialect *dialect) : Base(dialect) {}
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LayerTimes)

  /// Remembers a layer's time. Without effect in a context whose ptq dialect has no such memory
  /// (registerDialects() gives it one).
  static void record(mlir::MLIRContext *context, llvm::StringRef layer, double seconds);
  /// Nothing if the layer was not rounded in this context.
  static std::optional<double> lookup(mlir::MLIRContext *context, llvm::StringRef layer);

private:
  std::mutex mutex;
  llvm::StringMap<double> seconds;
};

} // namespace ptq

#endif
