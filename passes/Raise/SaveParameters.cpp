// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants become named arguments again, and their data goes to a safetensors file.

#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/ModelSize.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/Format.h"
#include <deque>

namespace ptq {
#define GEN_PASS_DEF_SAVEPARAMETERS
#include "ptq/Raise/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// The bytes of a constant as a checkpoint holds them.
struct ConstantData {
  checkpoint::DType dtype;
  ArrayRef<char> bytes;
};

struct SaveParametersPass : ptq::impl::SaveParametersBase<SaveParametersPass> {
  using SaveParametersBase::SaveParametersBase;

  void runOnOperation() override;

private:
  bool isSaved(arith::ConstantOp constant);
  FailureOr<ConstantData> read(arith::ConstantOp constant);
  /// Adds the constant's tensor to the file and returns its key there.
  FailureOr<std::string> add(arith::ConstantOp constant);
  LogicalResult saveFunction(FunctionOpInterface function);
  void reportSize();

  std::vector<checkpoint::TensorEntry> entries;
  llvm::StringMap<size_t> entryOfKey;
  std::deque<std::vector<char>> storage; ///< Addresses stay as it grows.
};

} // namespace

bool SaveParametersPass::isSaved(arith::ConstantOp constant) {
  auto elements = dyn_cast<ElementsAttr>(constant.getValue());
  if (!elements || !isa<RankedTensorType>(constant.getType()))
    return false;
  if (constant->hasAttr(kKeyAttr))
    return true;
  std::optional<checkpoint::DType> dtype = toDType(elements.getElementType());
  bool splat = isa<DenseElementsAttr>(elements) && elements.isSplat();
  return dtype && !splat &&
         elements.getNumElements() * int64_t(checkpoint::byteWidth(*dtype)) >= minBytes;
}

FailureOr<ConstantData> SaveParametersPass::read(arith::ConstantOp constant) {
  auto elements = cast<ElementsAttr>(constant.getValue());
  std::optional<checkpoint::DType> dtype = toDType(elements.getElementType());
  if (!dtype)
    return mlir::emitError(constant.getLoc(), "cannot be saved: checkpoints have no element type ")
           << elements.getElementType();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return mlir::emitError(constant.getLoc(), "cannot be saved: the resource '")
             << resource.getRawHandle().getKey()
             << "' has no data; it was elided when the IR was printed";
    return ConstantData{*dtype, blob->getData()};
  }
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense)
    return mlir::emitError(constant.getLoc(), "cannot be saved: it is not a dense constant");
  bool boolean = elements.getElementType().isInteger(1);
  if (!dense.isSplat() && !boolean)
    return ConstantData{*dtype, dense.getRawData()};
  // Splats are stored once and booleans as bits: write them out.
  std::vector<char> &bytes = storage.emplace_back();
  if (boolean) {
    for (bool bit : dense.getValues<bool>())
      bytes.push_back(bit);
  } else {
    for (int64_t i = 0; i < dense.getNumElements(); ++i)
      llvm::append_range(bytes, dense.getRawData());
  }
  return ConstantData{*dtype, bytes};
}

FailureOr<std::string> SaveParametersPass::add(arith::ConstantOp constant) {
  FailureOr<ConstantData> data = read(constant);
  if (failed(data))
    return failure();
  std::string key = parameterKey(constant);
  if (key.empty())
    key = "constant";
  auto type = cast<RankedTensorType>(constant.getType());
  std::string base = key;
  for (unsigned n = 2;; ++n) {
    auto [it, inserted] = entryOfKey.try_emplace(key, entries.size());
    if (inserted) {
      entries.push_back({key, data->dtype, SmallVector<int64_t, 4>(type.getShape()), data->bytes});
      ++numSaved;
      return key;
    }
    const checkpoint::TensorEntry &entry = entries[it->second];
    if (entry.dtype == data->dtype && ArrayRef<int64_t>(entry.shape) == type.getShape() &&
        (entry.data.data() == data->bytes.data() || entry.data == data->bytes))
      return key;
    key = base + "@" + std::to_string(n);
  }
}

LogicalResult SaveParametersPass::saveFunction(FunctionOpInterface function) {
  SmallVector<arith::ConstantOp> constants;
  function.walk([&](arith::ConstantOp constant) {
    if (isSaved(constant))
      constants.push_back(constant);
  });
  llvm::StringMap<BlockArgument> arguments;
  for (arith::ConstantOp constant : constants) {
    // What is in the loaded checkpoint as it is need not be written again.
    bool unchanged = changedOnly && constant->hasAttr(kMappedAttr);
    FailureOr<std::string> key =
        unchanged ? FailureOr<std::string>(parameterKey(constant)) : add(constant);
    if (failed(key))
      return failure();
    BlockArgument &argument = arguments[*key];
    if (!argument || argument.getType() != constant.getType()) {
      unsigned position = function.getNumArguments();
      NamedAttribute name(kParameterAttr, StringAttr::get(&getContext(), *key));
      if (failed(function.insertArgument(position, constant.getType(),
                                         DictionaryAttr::get(&getContext(), name),
                                         constant.getLoc())))
        return mlir::emitError(constant.getLoc(), "cannot become an argument of its function");
      argument = function.getArgument(position);
    }
    constant.replaceAllUsesWith(static_cast<Value>(argument));
    constant.erase();
  }
  return success();
}

void SaveParametersPass::reportSize() {
  int64_t total = 0;
  for (const checkpoint::TensorEntry &entry : entries)
    total += entry.data.size();
  QuantizedSize size = quantizedSize(getOperation());
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "saved " << entries.size() << " parameters, " << llvm::format("%.1f MB", total / 1e6)
     << ", to '" << file << "'";
  if (size.original > size.packed) {
    int64_t original = total - size.packed + size.original;
    os << llvm::format(
        "; %.2f times smaller than in float (%.1f MB), the quantized layers alone %.2f times",
        double(original) / total, original / 1e6, double(size.original) / size.packed);
  }
  mlir::emitRemark(getOperation().getLoc(), text);
}

void SaveParametersPass::runOnOperation() {
  ModuleOp module = getOperation();
  entries.clear();
  entryOfKey.clear();
  if (file.empty() && !changedOnly) {
    mlir::emitError(module.getLoc(), "save-parameters needs file=F, the safetensors file to write");
    return signalPassFailure();
  }
  // While the model still has its weights.
  if (failed(runPendingPasses(
          module, [&](OpPassManager &pipeline) { return runPipeline(pipeline, module); })))
    return signalPassFailure();
  for (auto function : module.getOps<FunctionOpInterface>())
    if (!function.isExternal() && failed(saveFunction(function)))
      return signalPassFailure();
  if (file.empty() && !entries.empty()) {
    mlir::emitError(module.getLoc())
        << entries.size() << " parameters have changed since they were loaded, '"
        << entries.front().name << "' for one: name the file to write them to with file=F";
    return signalPassFailure();
  }
  if (!file.empty() && distributed::Communicator::world().isRoot()) {
    if (llvm::Error error = checkpoint::writeSafetensors(file, entries)) {
      mlir::emitError(module.getLoc(), toString(std::move(error)));
      return signalPassFailure();
    }
    reportSize();
  }
  entries.clear();
  storage.clear();
}
