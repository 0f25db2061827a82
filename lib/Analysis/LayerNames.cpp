// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/LayerNames.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace ptq;

std::string ptq::parameterKey(Value parameter) {
  if (auto argument = dyn_cast<BlockArgument>(parameter)) {
    auto function = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
    if (function && argument.getOwner()->isEntryBlock())
      if (auto key = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kParameterAttr))
        return key.str();
    return "";
  }
  Operation *op = parameter.getDefiningOp();
  if (auto key = op->getAttrOfType<StringAttr>(kKeyAttr))
    return key.str();
  if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(op))
    return load.getGlobal().getLeafReference().str();
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
      return resource.getRawHandle().getKey().str();
  return "";
}

/// The outermost name of a location: that of a name location itself or of the callee of a call
/// site, and the first one in a fused location.
static StringRef locationName(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName();
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return locationName(call.getCallee());
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location inner : fused.getLocations())
      if (StringRef name = locationName(inner); !name.empty())
        return name;
  return "";
}

static StringRef withoutSuffix(StringRef key) {
  key.consume_back(".weight");
  return key;
}

/// The stored value that a computed parameter, such as a dequantization, is named after: its first
/// operand.
static Value leafOf(Value parameter) {
  while (Operation *op = parameter.getDefiningOp()) {
    if (!parameterKey(parameter).empty() || op->getNumOperands() == 0)
      break;
    parameter = op->getOperand(0);
  }
  return parameter;
}

std::string LayerNames::name(Operation *op, Value parameter) {
  parameter = leafOf(parameter);
  std::string name;
  if (auto attr = op->getAttrOfType<StringAttr>(kLayerAttr)) {
    name = attr.str();
  } else if (std::string key = parameterKey(parameter); !key.empty()) {
    auto alias = aliases.find(key);
    name = withoutSuffix(alias != aliases.end() ? StringRef(alias->second) : StringRef(key)).str();
  } else if (StringRef loc = locationName(op->getLoc()); !loc.empty()) {
    name = withoutSuffix(loc).str();
  } else if (StringRef loc = locationName(parameter.getLoc()); !loc.empty()) {
    name = withoutSuffix(loc).str();
  } else if (auto argument = dyn_cast<BlockArgument>(parameter)) {
    name = "arg" + std::to_string(argument.getArgNumber());
  } else {
    name = "linear";
  }
  unsigned count = ++used[name];
  return count == 1 ? name : name + "@" + std::to_string(count);
}
