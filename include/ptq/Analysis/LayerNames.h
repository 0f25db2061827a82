// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a layer is called: the name of its weight in the checkpoint, without the trailing ".weight".

#ifndef PTQ_ANALYSIS_LAYERNAMES_H
#define PTQ_ANALYSIS_LAYERNAMES_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/StringMap.h"
#include <string>

namespace ptq {

/// The attribute that names the checkpoint tensor a constant was loaded from, or a function
/// argument is to be bound to.
inline constexpr llvm::StringLiteral kKeyAttr = "ptq.key";
/// Marks a constant whose data are, unchanged, those of the checkpoint that was loaded.
inline constexpr llvm::StringLiteral kMappedAttr = "ptq.mapped";
inline constexpr llvm::StringLiteral kParameterAttr = "ptq.parameter";
inline constexpr llvm::StringLiteral kInputAttr = "ptq.input";
inline constexpr llvm::StringLiteral kOutputAttr = "ptq.output";
/// On a module: the samples it is calibrated on. Holds `pending` while they are still to be run.
inline constexpr llvm::StringLiteral kCalibrationAttr = "ptq.calibration";
/// A layer's name given on the operation, and why a contraction with a weight was not raised.
inline constexpr llvm::StringLiteral kLayerAttr = "ptq.layer";
inline constexpr llvm::StringLiteral kDeclinedAttr = "ptq.declined";

/// The checkpoint key of a parameter: `ptq.parameter` of an argument, `ptq.key` of a constant, the
/// symbol of a global, the key of a resource. Empty if it has none.
std::string parameterKey(mlir::Value parameter);

/// Names layers, each name once in a function.
class LayerNames {
public:
  /// `aliases` maps keys (of resources, for example) to the names to use in their stead.
  explicit LayerNames(llvm::StringMap<std::string> aliases = {}) : aliases(std::move(aliases)) {}

  /// In order of preference: the attribute `ptq.layer` of `op`; the parameter's key, through the
  /// aliases; a name location of the operation, then of the parameter; the argument's position. A
  /// name already given gets a suffix "@2", "@3", ….
  std::string name(mlir::Operation *op, mlir::Value parameter);

private:
  llvm::StringMap<std::string> aliases;
  llvm::StringMap<unsigned> used;
};

} // namespace ptq

#endif
