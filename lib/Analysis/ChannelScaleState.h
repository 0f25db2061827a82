// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A partial solution: which values are scaled and how, and which operations still have to be asked
// whether they agree.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALESTATE_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALESTATE_H

#include "ChannelScaleMap.h"

#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <memory>
#include <string>

namespace ptq::channel_scale {

/// What carries a scale: a value, or one use of a stored value. Each use of a parameter is on its
/// own, since the parameter can be cloned for it.
struct Site {
  mlir::Value value;
  mlir::OpOperand *use = nullptr; ///< Set for stored values.

  const void *key() const { return use ? use : value.getAsOpaquePointer(); }
};

/// True if the data of `value` is stored, so that they can be rewritten: constants, globals,
/// arguments that are parameters.
bool isRewritable(mlir::Value value);

Site siteOf(mlir::OpOperand &use);
Site siteOf(mlir::OpResult result);

/// True if all elements of `value` are 0, all are infinite, or nobody reads them: any positive
/// scale leaves it as it is.
bool isScaleInvariant(mlir::Value value);

/// A parameter w that absorbs a scale through w + c: it becomes (w + c)·s^e − c. Gemma's norms.
struct ShiftedParameter {
  mlir::OpOperand *use;
  double shift;
  ScaleMap map; ///< Over the parameter's dimensions.
};

/// One way in which an operation can agree with what is scaled around it.
struct Option {
  llvm::SmallVector<std::pair<Site, ScaleMap>> scaled;
  llvm::SmallVector<Site> unscaled;
  /// Scales that it makes equal.
  std::vector<std::pair<ClassId, ClassId>> ties;
  /// The number of new classes: −1 … −fresh in the maps and ties.
  int fresh = 0;
  std::optional<ShiftedParameter> shifted;
  /// The operation's result stays as it is and is multiplied behind it.
  bool inserted = false;
  /// Values that become scaled and are not stored: others will have to agree.
  unsigned cost = 0;
  /// How many of the ties are new.
  unsigned newTies = 0;
};

using Options = std::vector<Option>;

struct State {
  explicit State(int64_t channels) : classes(channels) {}

  struct Entry {
    Site site;
    /// Null if the value has to stay as it is.
    std::shared_ptr<const ScaleMap> map;
  };

  Classes classes;
  llvm::MapVector<const void *, Entry> entries;
  llvm::SetVector<mlir::Operation *> pending;
  llvm::DenseSet<mlir::Operation *> cut; ///< Operations whose result is scaled behind them.
  std::vector<ShiftedParameter> shifted;
  llvm::SmallVector<mlir::OpResult> inserted;

  /// The scale of a site; null if there is none (yet).
  const ScaleMap *lookup(const Site &site) const;
  bool isUnscaled(const Site &site) const;

  /// Takes an option. False, with the reason, if it contradicts what is known.
  bool apply(mlir::Operation *op, const Option &option, std::string &reason);
  bool assign(const Site &site, ScaleMap map, std::string &reason);

private:
  bool unite(const ScaleMap &a, const ScaleMap &b, std::string &reason);
  bool fixAtOne(const ScaleMap &map, std::string &reason);
};

} // namespace ptq::channel_scale

#endif
