// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The module's parameters as a folder that other tools load.
//
// A tensor of the source folder is written as one of: the tensors of a quantized layer in its
// place; the module's constant of that key, in the source's type; itself. What the module has and
// the source has not would be ignored by a loader that knows the architecture, so it is an error.

#include "StoredLayer.h"
#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/ScratchBlob.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Checkpoint/ModelFolder.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/Interchange/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Format.h"
#include <cmath>
#include <deque>
#include <set>

namespace ptq {
#define GEN_PASS_DEF_SAVECHECKPOINT
#include "ptq/Interchange/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;
using namespace ptq::checkpoint;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

namespace {

/// What is to be written, collected before anything is.
class FolderContents {
public:
  FolderContents(const ModelFolder &source, QuantizedFormat format, DType scaleType)
      : source(source), format(format), scaleType(scaleType) {}

  Error addLayer(StoredLayer layer);
  Error addConstant(arith::ConstantOp constant);
  /// Adds what the module does not have, from the source.
  void addRest();
  QuantizationConfig configuration(ArrayRef<std::string> floatLayers) const;

  std::vector<TensorEntry> entries;
  double scaleChange = 0;
  std::string scaleChangeLayer;
  int64_t numLayers = 0;

private:
  bool inSource(StringRef name) const { return source.tensors->lookup(name).has_value(); }
  /// Whether these very tensors of a layer are there.
  bool isWritten(StringRef layer, ArrayRef<LayerTensor> tensors) const {
    return llvm::all_of(tensors, [&](const LayerTensor &tensor) {
      return llvm::any_of(entries, [&](const TensorEntry &entry) {
        return entry.name == layer.str() + "." + tensor.suffix && entry.dtype == tensor.dtype &&
               entry.data == ArrayRef(tensor.data);
      });
    });
  }
  /// Adds a tensor whose bytes live as long as the module.
  void addView(std::string name, DType dtype, ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
    written.insert(name);
    entries.push_back({std::move(name), dtype, SmallVector<int64_t, 4>(shape), bytes});
  }
  void add(std::string name, DType dtype, ArrayRef<int64_t> shape, ArrayRef<char> data) {
    AsmResourceBlob &blob =
        storage.emplace_back(allocateScratchBlob(data.size(), /*alignment=*/sizeof(double)));
    llvm::copy(data, blob.getMutableData().begin());
    addView(std::move(name), dtype, shape, blob.getData());
  }

  const ModelFolder &source;
  QuantizedFormat format;
  DType scaleType;
  std::vector<LayerGroup> groups;
  std::deque<AsmResourceBlob> storage;
  std::deque<execution::Tensor> constants; ///< Whose bytes are written as they are.
  llvm::StringSet<> written, replaced, layerNames;
};

} // namespace

Error FolderContents::addLayer(StoredLayer layer) {
  auto failure = [&](const Twine &message) {
    return createStringError("layer '" + layer.name + "': " + message);
  };
  bool known = false;
  for (StringRef suffix : quantizedSuffixes()) {
    std::optional<TensorView> tensor = source.tensors->lookup(layer.name + "." + suffix.str());
    if (!tensor)
      continue;
    known |= suffix == "weight" || suffix == "weight_packed" || suffix == "qweight";
    int64_t shape[] = {layer.weight.rows, layer.weight.columns};
    if (suffix == "weight" && ArrayRef<int64_t>(tensor->info->shape) != ArrayRef(shape))
      return failure("the source's weight is not [out, in] = [" + Twine(shape[0]) + ", " +
                     Twine(shape[1]) +
                     "]; its architecture stores it in another form, for which "
                     "the formats have no place");
    replaced.insert(tensor->info->name);
  }
  if (!known)
    return failure("'" + source.path +
                   "' has no weight of that name; give the folder the model "
                   "was exported from, and leave tied weights in float");
  Expected<double> change = roundScales(layer.weight.scales, scaleType);
  if (!change)
    return failure(toString(change.takeError()));
  if (*change > scaleChange) {
    scaleChange = *change;
    scaleChangeLayer = layer.name;
  }
  auto tensors = encodeLayer(layer.weight, format, scaleType);
  if (!tensors)
    return failure(toString(tensors.takeError()));
  // Functions that share weights have the layer once each.
  if (!layerNames.insert(layer.name).second)
    return isWritten(layer.name, *tensors)
               ? Error::success()
               : failure("the module has two layers of that name with different weights");
  for (LayerTensor &tensor : *tensors)
    add(layer.name + "." + tensor.suffix, tensor.dtype, tensor.shape, tensor.data);
  if (layer.inputScale) {
    std::vector<char> bytes(byteWidth(scaleType));
    convertFromFloat(scaleType, *layer.inputScale, bytes);
    add(layer.name + ".input_scale", scaleType, {1}, bytes);
  }
  LayerConfig config = layer.config();
  auto group = llvm::find_if(groups, [&](LayerGroup &g) { return g.config == config; });
  if (group == groups.end())
    group = groups.insert(groups.end(), {config, {}});
  group->targets.push_back(layer.name);
  ++numLayers;
  return Error::success();
}

Error FolderContents::addConstant(arith::ConstantOp constant) {
  std::string key = parameterKey(constant);
  if (constant.use_empty() || !isa<RankedTensorType>(constant.getType()))
    return Error::success();
  std::optional<TensorView> tensor = source.tensors->lookup(key);
  auto failure = [&](const Twine &message) {
    return createStringError("parameter '" + key + "': " + message);
  };
  if (!tensor && constant->hasAttr(kMappedAttr))
    return Error::success(); // A buffer that the folder's loader makes itself.
  if (!tensor || replaced.contains(key))
    return failure("'" + source.path +
                   "' has no tensor of that name for it; a checkpoint of this "
                   "architecture has no place for the module's change");
  Expected<execution::Tensor> value = constantTensor(constant);
  if (!value)
    return failure(toString(value.takeError()));
  const TensorInfo &info = *tensor->info;
  if (value->type.getShape() != ArrayRef<int64_t>(info.shape))
    return failure("its shape differs from that in '" + source.path + "'");
  std::vector<char> converted;
  ArrayRef<char> bytes = value->bytes();
  bool same = matches(info.dtype, value->type.getElementType());
  if (same) {
    constants.push_back(*value);
  } else if (isFloat(info.dtype) && isa<FloatType>(value->type.getElementType())) {
    std::vector<float> floats(value->numElements());
    execution::convertToFloat(*value, floats);
    converted.resize(floats.size() * byteWidth(info.dtype));
    convertFromFloat(info.dtype, floats, converted);
    bytes = converted;
    std::vector<float> stored(floats.size());
    checkpoint::convertToFloat(info.dtype, bytes, stored);
    for (auto [before, after] : llvm::zip_equal(floats, stored))
      if (std::isfinite(before) && !std::isfinite(after))
        return failure("a value of it does not fit the type " + toString(info.dtype) + " that '" +
                       source.path + "' has it in");
  } else {
    return failure("its type differs from " + toString(info.dtype) + " in '" + source.path + "'");
  }
  if (!written.contains(key)) {
    if (same)
      addView(key, info.dtype, info.shape, bytes);
    else
      add(key, info.dtype, info.shape, bytes);
    return Error::success();
  }
  auto entry = llvm::find_if(entries, [&](const TensorEntry &e) { return e.name == key; });
  if (entry->data != bytes)
    return failure("it has several values in the module, where a transformation changed it for one "
                   "of its users; transform with explicit-scale=never, or skip the layers that "
                   "share it");
  return Error::success();
}

void FolderContents::addRest() {
  for (StringRef name : source.tensors->names()) {
    if (written.contains(name) || replaced.contains(name))
      continue;
    TensorView tensor = *source.tensors->lookup(name);
    entries.push_back({name.str(), tensor.info->dtype, tensor.info->shape, tensor.data});
  }
}

QuantizationConfig FolderContents::configuration(ArrayRef<std::string> floatLayers) const {
  QuantizationConfig config;
  config.format = format;
  config.groups = groups;
  if (groups.size() == 1)
    config.groups.front().targets = {"Linear"};
  std::set<std::string> quantized, ignored(floatLayers.begin(), floatLayers.end());
  for (const LayerGroup &group : groups)
    quantized.insert(group.targets.begin(), group.targets.end());
  ignored.insert("lm_head");
  // compressed-tensors takes any module that its targets match for quantized.
  if (format == QuantizedFormat::PackQuantized || format == QuantizedFormat::IntQuantized)
    for (const TensorEntry &entry : entries) {
      StringRef name = entry.name;
      if (entry.shape.size() == 2 && name.consume_back(".weight"))
        ignored.insert(name.str());
    }
  for (const std::string &name : ignored)
    if (!quantized.count(name))
      config.ignored.push_back(name);
  return config;
}

namespace {

struct SaveCheckpointPass : ptq::impl::SaveCheckpointBase<SaveCheckpointPass> {
  using SaveCheckpointBase::SaveCheckpointBase;

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    if (Error error = run()) {
      mlir::emitError(getOperation().getLoc(), toString(std::move(error)));
      return signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  Error run();
  Expected<QuantizedFormat> chooseFormat();
  Expected<DType> chooseScaleType(const ModelFolder &source, QuantizedFormat chosen);
};

} // namespace

Expected<QuantizedFormat> SaveCheckpointPass::chooseFormat() {
  if (format == "gptq")
    return QuantizedFormat::Gptq;
  if (format == "gptq_v2")
    return QuantizedFormat::GptqV2;
  if (format == "awq")
    return QuantizedFormat::Awq;
  if (format != "compressed-tensors")
    return createStringError("unknown format '" + format +
                             "'; compressed-tensors, gptq, gptq_v2 and awq are known");
  bool bytes = true;
  getOperation().walk([&](Operation *op) {
    if (isa<WeightOnlyLinearOp>(op))
      bytes = false;
    else if (auto linear = dyn_cast<IntegerLinearOp>(op))
      bytes &= linear.getWeightScheme().getBits() == 8;
  });
  return bytes ? QuantizedFormat::IntQuantized : QuantizedFormat::PackQuantized;
}

Expected<DType> SaveCheckpointPass::chooseScaleType(const ModelFolder &source,
                                                    QuantizedFormat chosen) {
  std::optional<DType> type = parseDType(StringRef(scaleType).upper());
  if (type && (*type == DType::F16 || *type == DType::BF16 || *type == DType::F32))
    return *type;
  if (scaleType != "auto")
    return createStringError("unknown scale-type '" + scaleType +
                             "'; auto, f16, bf16 and f32 are known");
  if (chosen != QuantizedFormat::PackQuantized && chosen != QuantizedFormat::IntQuantized)
    return DType::F16;
  for (StringRef key : {"dtype", "torch_dtype"}) {
    StringRef name = source.config.getString(key).value_or("");
    if (name == "float16")
      return DType::F16;
    if (name == "bfloat16")
      return DType::BF16;
    if (name == "float32")
      return DType::F32;
  }
  for (StringRef name : source.tensors->names())
    if (DType dtype = source.tensors->lookup(name)->info->dtype;
        dtype == DType::F16 || dtype == DType::BF16)
      return dtype;
  return DType::F32;
}

Error SaveCheckpointPass::run() {
  if (maxShardBytes == 0)
    return createStringError("max-shard-bytes is a number of bytes, 1 or more");
  if (dir.empty() || from.empty())
    return createStringError("save-checkpoint needs dir=OUT, the folder to write, and from=SOURCE, "
                             "the folder the model was exported from");
  Expected<ModelFolder> source = ModelFolder::open(from);
  if (!source)
    return source.takeError();
  Expected<QuantizedFormat> chosen = chooseFormat();
  if (!chosen)
    return chosen.takeError();
  Expected<DType> type = chooseScaleType(*source, *chosen);
  if (!type)
    return type.takeError();

  SmallVector<Operation *> layers;
  std::vector<std::string> floatLayers;
  std::optional<StringRef> lookedUp;
  SmallVector<arith::ConstantOp> constants;
  llvm::DenseSet<Operation *> ofLayers;
  getOperation().walk([&](Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (constant->hasAttr(kKeyAttr))
        constants.push_back(constant);
    } else if (auto linear = dyn_cast<LinearOp>(op)) {
      floatLayers.push_back(linear.getLayerName().str());
      if (linear.getWeight().getDefiningOp<LookupDequantizeOp>())
        lookedUp = linear.getLayerName();
    } else if (isa<WeightOnlyLinearOp, IntegerLinearOp>(op)) {
      layers.push_back(op);
      Value bias = isa<WeightOnlyLinearOp>(op) ? cast<WeightOnlyLinearOp>(op).getBias()
                                               : cast<IntegerLinearOp>(op).getBias();
      for (Value operand : op->getOperands())
        if (Operation *producer = operand.getDefiningOp(); producer && operand != bias)
          ofLayers.insert(producer);
    } else if (auto quantize = dyn_cast<QuantizeOp>(op)) {
      if (Operation *producer = quantize.getScales().getDefiningOp())
        ofLayers.insert(producer);
    }
  });
  if (lookedUp)
    return createStringError("layer '" + *lookedUp +
                             "': its weight is looked up in a codebook (type=nf4), which no format "
                             "here holds; save it with --save-parameters, or round with type=int");
  FolderContents contents(*source, *chosen, *type);
  for (Operation *op : layers) {
    Expected<StoredLayer> layer = readLayer(op);
    if (!layer)
      return layer.takeError();
    if (Error error = contents.addLayer(std::move(*layer)))
      return error;
  }
  for (arith::ConstantOp constant : constants)
    if (!ofLayers.contains(constant))
      if (Error error = contents.addConstant(constant))
        return error;
  contents.addRest();
  if (lossless && contents.scaleChange != 0)
    return createStringError(
        "scales of layer '" + contents.scaleChangeLayer + "' change by up to " +
        llvm::Twine(std::to_string(contents.scaleChange)) + " of their value when stored as " +
        toString(*type) + "; store them with scale-type=f32, or without lossless");
  Expected<llvm::json::Object> quantization = toJSON(contents.configuration(floatLayers));
  if (!quantization)
    return quantization.takeError();
  llvm::json::Object config = source->config;
  config.erase("compression_config");
  config["quantization_config"] = std::move(*quantization);
  int64_t bytes = 0;
  for (const TensorEntry &entry : contents.entries)
    bytes += entry.data.size();
  if (!distributed::Communicator::world().isRoot())
    return Error::success();
  if (Error error = writeModelFolder(dir, *source, std::move(config), std::move(contents.entries),
                                     maxShardBytes))
    return error;
  numLayers = contents.numLayers;
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "saved " << contents.numLayers << " quantized layers as " << toString(*chosen) << ", "
     << llvm::format("%.1f MB", bytes / 1e6) << ", to '" << dir << "'";
  if (contents.scaleChange != 0)
    os << llvm::format("; scales were rounded to %s, by up to %.2e of their value (layer '%s')",
                       toString(*type).str().c_str(), contents.scaleChange,
                       contents.scaleChangeLayer.c_str());
  else
    os << "; scales are exact";
  mlir::emitRemark(getOperation().getLoc(), text);
  return Error::success();
}
