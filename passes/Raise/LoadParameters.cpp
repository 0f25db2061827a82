// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Named parameters become constants on the mapped checkpoint.
//
// The constant's blob is the mapping itself, kept alive by the blob's deleter. A tensor that does
// not lie at a multiple of its element's size in the file is the exception: it is copied.

#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/LayerNames.h"
#include "ptq/Checkpoint/Checkpoint.h"
#include "ptq/Raise/LoadedModule.h"
#include "ptq/Raise/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"

namespace ptq {
#define GEN_PASS_DEF_LOADPARAMETERS
#include "ptq/Raise/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;
using checkpoint::Checkpoint;
using checkpoint::TensorView;

static std::string describe(checkpoint::DType dtype, ArrayRef<int64_t> shape) {
  std::string text = (checkpoint::toString(dtype) + " [").str();
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(shape, os);
  os << ']';
  return text;
}

/// The tensor as an attribute. Booleans, which a resource would hold in another form, become a
/// dense constant.
static ElementsAttr toAttribute(const TensorView &tensor, RankedTensorType type, StringRef key) {
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bits(tensor.data.begin(), tensor.data.end());
    return DenseElementsAttr::get(type, bits);
  }
  size_t alignment = checkpoint::byteWidth(tensor.info->dtype);
  bool aligned = reinterpret_cast<uintptr_t>(tensor.data.data()) % alignment == 0;
  AsmResourceBlob blob =
      aligned ? AsmResourceBlob(
                    tensor.data, alignment, [owner = tensor.owner](void *, size_t, size_t) {},
                    /*dataIsMutable=*/false)
              : HeapAsmResourceBlob::allocateAndCopyWithAlign(tensor.data, alignment);
  auto &manager = DenseResourceElementsHandle::getManagerInterface(type.getContext());
  return DenseResourceElementsAttr::get(type, manager.insert(key, std::move(blob)));
}

namespace {

struct LoadParametersPass : ptq::impl::LoadParametersBase<LoadParametersPass> {
  using LoadParametersBase::LoadParametersBase;

  void runOnOperation() override;

private:
  /// The attribute for a parameter, or null after noting why there is none.
  ElementsAttr bind(StringRef key, Type type);
  void bindArguments(FunctionOpInterface function);
  void bindGlobal(ml_program::GlobalOp global);
  void note(const Twine &problem) { problems.push_back(problem.str()); }

  std::shared_ptr<const Checkpoint> checkpoint;
  llvm::StringMap<ElementsAttr> bound;
  std::vector<std::string> problems;
};

} // namespace

ElementsAttr LoadParametersPass::bind(StringRef key, Type type) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  if (!tensorType || !tensorType.hasStaticShape()) {
    note("parameter '" + key + "' is not a tensor of static shape in the model");
    return {};
  }
  auto it = bound.find(key);
  if (it != bound.end() && it->second && it->second.getType() == type)
    return it->second;
  std::optional<TensorView> tensor = checkpoint->lookup(key);
  if (!tensor) {
    std::optional<StringRef> near = checkpoint->suggest(key);
    note("missing: '" + key + "'" + (near ? " (the files have '" + *near + "')" : ""));
    return {};
  }
  std::string found = describe(tensor->info->dtype, tensor->info->shape);
  std::string typeText;
  llvm::raw_string_ostream(typeText) << type;
  if (tensor->info->shape != tensorType.getShape()) {
    note("wrong shape: '" + key + "' is " + found + " in the files, " + typeText + " in the model");
    bound.try_emplace(key);
    return {};
  }
  if (!matches(tensor->info->dtype, tensorType.getElementType())) {
    note("wrong type: '" + key + "' is " + found + " in the files, " + typeText + " in the model");
    bound.try_emplace(key);
    return {};
  }
  ++numBound;
  return bound[key] = toAttribute(*tensor, tensorType, key);
}

void LoadParametersPass::bindArguments(FunctionOpInterface function) {
  unsigned count = function.getNumArguments();
  llvm::BitVector erased(count);
  OpBuilder builder(function.getContext());
  if (!function.isExternal())
    builder.setInsertionPointToStart(&function.getFunctionBody().front());
  for (unsigned i = 0; i < count; ++i) {
    auto key = function.getArgAttrOfType<StringAttr>(i, kParameterAttr);
    if (!key)
      continue;
    ElementsAttr value = bind(key, function.getArgumentTypes()[i]);
    if (!value || function.isExternal())
      continue;
    BlockArgument argument = function.getArgument(i);
    auto constant = arith::ConstantOp::create(builder, argument.getLoc(), value);
    constant->setAttr(kKeyAttr, key);
    constant->setAttr(kMappedAttr, builder.getUnitAttr());
    argument.replaceAllUsesWith(constant);
    erased.set(i);
  }
  if (problems.empty() && erased.any())
    (void)function.eraseArguments(erased);
}

void LoadParametersPass::bindGlobal(ml_program::GlobalOp global) {
  if (!global.getValue() || !isa<ml_program::ExternAttr>(*global.getValue()))
    return;
  ElementsAttr value = bind(global.getSymName(), global.getType());
  if (!value)
    return;
  auto uses = SymbolTable::getSymbolUses(global, getOperation());
  bool other = !uses;
  if (uses)
    for (SymbolTable::SymbolUse use : *uses) {
      auto load = dyn_cast<ml_program::GlobalLoadConstOp>(use.getUser());
      if (!load) {
        other = true;
        continue;
      }
      OpBuilder builder(load);
      auto constant = arith::ConstantOp::create(builder, load.getLoc(), value);
      constant->setAttr(kKeyAttr, global.getSymNameAttr());
      constant->setAttr(kMappedAttr, builder.getUnitAttr());
      load.replaceAllUsesWith(constant.getResult());
      load.erase();
    }
  if (other)
    global.setValueAttr(value);
  else
    global.erase();
}

void LoadParametersPass::runOnOperation() {
  ModuleOp module = getOperation();
  problems.clear();
  bound.clear();
  if (files.empty()) {
    mlir::emitError(
        module.getLoc(),
        "load-parameters needs file=F[,F…]: safetensors files or a checkpoint's index.json");
    return signalPassFailure();
  }
  auto opened = Checkpoint::open(
      llvm::to_vector(llvm::map_range(files, [](auto &f) { return std::string(f); })));
  if (!opened) {
    mlir::emitError(module.getLoc(), toString(opened.takeError()));
    return signalPassFailure();
  }
  checkpoint = *opened;
  for (auto function : module.getOps<FunctionOpInterface>())
    bindArguments(function);
  for (auto global : llvm::make_early_inc_range(module.getOps<ml_program::GlobalOp>()))
    bindGlobal(global);

  std::vector<std::string> extra;
  for (StringRef name : checkpoint->names())
    if (!bound.contains(name))
      extra.push_back("extra: '" + name.str() +
                      "' is in the files, but no parameter has that name");
  if (!problems.empty() || (strict && !extra.empty())) {
    llvm::append_range(problems, extra);
    mlir::emitError(module.getLoc())
        << "the parameters do not match the files (" << problems.size() << "):\n  "
        << llvm::join(problems, "\n  ")
        << "\nload the checkpoint that the model was exported from, or rename its tensors";
    return signalPassFailure();
  }
  if (bound.empty())
    mlir::emitWarning(module.getLoc(),
                      "the module names no parameter: arguments need the attribute ptq.parameter");
  else if (!extra.empty())
    mlir::emitWarning(module.getLoc()) << llvm::join(extra, "; ");
  checkpoint.reset();
  // What --verify-equivalence compares with.
  (void)getAnalysis<LoadedModule>();
}
