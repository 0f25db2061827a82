// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The file a module's statistics came from, which may hold Gram matrices too. Kept on the module as
// the attribute `ptq.statistics_file`.

#ifndef PTQ_CALIBRATE_STATISTICSSOURCE_H
#define PTQ_CALIBRATE_STATISTICSSOURCE_H

#include "mlir/IR/BuiltinOps.h"

namespace ptq {

inline constexpr llvm::StringLiteral kStatisticsFileAttr = "ptq.statistics_file";

inline void attachStatisticsFile(mlir::ModuleOp module, llvm::StringRef file) {
  module->setAttr(kStatisticsFileAttr, mlir::StringAttr::get(module.getContext(), file));
}

/// Empty if the statistics came from no file.
inline std::string statisticsFile(mlir::ModuleOp module) {
  auto attr = module->getAttrOfType<mlir::StringAttr>(kStatisticsFileAttr);
  return attr ? attr.str() : "";
}

} // namespace ptq

#endif
