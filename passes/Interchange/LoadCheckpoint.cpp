// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A folder's integers become layers, its other tensors constants.

#include "IntegerLayer.h"
#include "LayerParts.h"
#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Checkpoint/ModelFolder.h"
#include "ptq/Interchange/Passes.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

namespace ptq {
#define GEN_PASS_DEF_LOADCHECKPOINT
#include "ptq/Interchange/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;
using namespace ptq::checkpoint;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

namespace {

struct LoadCheckpointPass : ptq::impl::LoadCheckpointBase<LoadCheckpointPass> {
  using LoadCheckpointBase::LoadCheckpointBase;

  void runOnOperation() override;

private:
  Error replaceLayers(const ModelFolder &folder, const QuantizationConfig &config);
  Error replace(LinearOp layer, numerics::QuantizedWeight weight, const LayerConfig &config,
                std::optional<float> inputScale, IntegerLayers &integerLayers);
  /// The constant for a parameter, or null after noting why there is none.
  Value bind(const ModelFolder &folder, OpBuilder &builder, BlockArgument argument, StringAttr key);
  void bindArguments(const ModelFolder &folder, FunctionOpInterface function);

  std::vector<std::string> problems;
};

} // namespace

/// Whether a layer's tensors say that it is quantized in this format.
static bool isQuantized(const Checkpoint &tensors, QuantizedFormat format, StringRef layer) {
  switch (format) {
  case QuantizedFormat::PackQuantized:
    return tensors.lookup((layer + ".weight_packed").str()).has_value();
  case QuantizedFormat::IntQuantized:
    return tensors.lookup((layer + ".weight_scale").str()).has_value();
  default:
    return tensors.lookup((layer + ".qweight").str()).has_value();
  }
}

Error LoadCheckpointPass::replace(LinearOp layer, numerics::QuantizedWeight weight,
                                  const LayerConfig &config, std::optional<float> inputScale,
                                  IntegerLayers &integerLayers) {
  RoundingRecord record;
  record.method = "loaded";
  if (!config.activation) {
    replaceByPacked(layer, PackedWeight(std::move(weight)), record);
    return Error::success();
  }
  if (!weight.scheme.symmetric)
    return createStringError("it has integer activations and an asymmetric weight, which "
                             "ptq.integer_linear does not have");
  const ActivationConfig &activation = *config.activation;
  SchemeAttr scheme = SchemeAttr::get(
      &getContext(), activation.bits, activation.symmetric,
      activation.perToken ? Granularity::PerToken : Granularity::PerTensor, 0, activation.dynamic);
  numerics::WeightScheme weightScheme = weight.scheme;
  bool bytes = weightScheme.bits == 8;
  PackedWeight packed(std::move(weight), bytes);
  if (activation.dynamic)
    return integerLayers
        .replace({layer, weightScheme, scheme, OutliersAttr(), ""}, std::move(packed), record)
        .takeError();
  if (!inputScale || !activation.symmetric || activation.perToken)
    return createStringError("its activation's scale is known in advance, which is supported "
                             "symmetric, per tensor and with a tensor 'input_scale'");
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  int64_t rows = packed.rows, columns = packed.columns;
  int64_t scaleRows = weightScheme.granularity == numerics::Granularity::PerTensor ? 1 : rows;
  int64_t groups = numerics::groupsPerRow(weightScheme, columns);
  int64_t words = packed.words.size() / rows;
  Value xScale =
      createConstant<float>(b, loc, {*inputScale}, {1}, b.getF32Type(), name + ".input_scale");
  auto type = cast<RankedTensorType>(layer.getX().getType()).clone(b.getI8Type());
  Value x = QuantizeOp::create(b, loc, type, layer.getX(), xScale, /*zero_points=*/Value(),
                               /*channel_scales=*/Value(), scheme);
  Value codes = bytes ? createConstant(b, loc, std::move(packed.codes), {rows, columns},
                                       b.getI8Type(), name + ".weight")
                      : createConstant(b, loc, std::move(packed.words), {rows, words},
                                       b.getI32Type(), name + ".weight_packed");
  Value scales = createConstant(b, loc, std::move(packed.scales), {scaleRows, groups},
                                b.getF32Type(), name + ".weight_scale");
  auto result = IntegerLinearOp::create(
      b, loc, layer.getY().getType(), x, xScale,
      /*x_zero_points=*/Value(), codes, scales,
      /*x_outliers=*/Value(), /*weight_outliers=*/Value(), layer.getBias(), scheme,
      toAttribute(b.getContext(), weightScheme), layer.getLayerAttr(), layer.getStatisticsAttr());
  finishReplacement(layer, result, record);
  return Error::success();
}

Error LoadCheckpointPass::replaceLayers(const ModelFolder &folder,
                                        const QuantizationConfig &config) {
  SmallVector<LinearOp> layers;
  getOperation().walk([&](LinearOp layer) { layers.push_back(layer); });
  IntegerLayers integerLayers;
  std::vector<double> means;
  int64_t replaced = 0; // A Statistic may be compiled out.
  for (LinearOp layer : layers) {
    std::string name = layer.getLayerName().str();
    if (!isQuantized(*folder.tensors, config.format, name))
      continue;
    auto failure = [&](const Twine &message) {
      return createStringError("'" + folder.path + "': layer '" + name + "': " + message);
    };
    const LayerConfig *layerConfig = config.find(name);
    if (!layerConfig)
      return failure("no config group matches it");
    auto lookup = [&](StringRef suffix) {
      return folder.tensors->lookup((name + "." + suffix).str());
    };
    Expected<numerics::QuantizedWeight> weight =
        decodeLayer(config.format, layerConfig->weight, lookup);
    if (!weight)
      return failure(toString(weight.takeError()));
    int64_t shape[] = {weight->rows, weight->columns};
    if (cast<RankedTensorType>(layer.getWeight().getType()).getShape() != ArrayRef(shape))
      return failure("its weight is [" + Twine(shape[0]) + ", " + Twine(shape[1]) +
                     "] in the folder and of another shape in the model");
    if (config.format == QuantizedFormat::Awq &&
        llvm::all_of(weight->zeroPoints, [](int8_t zeroPoint) { return zeroPoint == 0; })) {
      weight->scheme.symmetric = true;
      weight->zeroPoints.clear();
    }
    bool offset =
        config.format == QuantizedFormat::Gptq || config.format == QuantizedFormat::GptqV2;
    if (offset && !weight->scheme.symmetric)
      means.push_back(meanCode(*weight));
    std::optional<float> inputScale;
    if (std::optional<TensorView> tensor = lookup("input_scale");
        tensor && tensor->info->numElements() == 1 && isFloat(tensor->info->dtype)) {
      float value = 0;
      checkpoint::convertToFloat(tensor->info->dtype, tensor->data, llvm::MutableArrayRef(value));
      inputScale = value;
    }
    if (Error error = replace(layer, std::move(*weight), *layerConfig, inputScale, integerLayers))
      return failure(toString(std::move(error)));
    ++replaced;
  }
  numLayers = replaced;
  if (replaced == 0)
    return createStringError("'" + folder.path +
                             "': it has no quantized layer of the model; do "
                             "the folder and the model belong together?");
  if (means.empty() || !format.empty())
    return Error::success();
  llvm::sort(means);
  double median = means[means.size() / 2];
  if (std::abs(median) > 0.6 && (median < 0) == (config.format == QuantizedFormat::Gptq))
    return createStringError(
        "'" + folder.path + "': read as " + toString(config.format) + ", weights have a mean of " +
        Twine(std::to_string(median)) +
        " steps, where it should be near 0: the zero points are off by one and "
        "the file is mislabelled; read it with format=" +
        (config.format == QuantizedFormat::Gptq ? "gptq_v2" : "gptq") +
        ", or confirm its label with format=" + toString(config.format));
  return Error::success();
}

Value LoadCheckpointPass::bind(const ModelFolder &folder, OpBuilder &builder,
                               BlockArgument argument, StringAttr key) {
  auto note = [&](const Twine &problem) {
    problems.push_back(problem.str());
    return Value();
  };
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  std::optional<TensorView> tensor = folder.tensors->lookup(key);
  if (!tensor) {
    std::optional<StringRef> near = folder.tensors->suggest(key);
    return note("missing: '" + key.getValue() + "'" +
                (near ? " (the folder has '" + *near + "')" : ""));
  }
  const TensorInfo &info = *tensor->info;
  if (!type || type.getShape() != ArrayRef<int64_t>(info.shape))
    return note("wrong shape: '" + key.getValue() + "'");
  Type elementType = type.getElementType();
  std::optional<DType> wanted = toDType(elementType);
  bool same = checkpoint::byteWidth(info.dtype) && matches(info.dtype, elementType);
  if (!wanted || (!same && !(isFloat(info.dtype) && isFloat(*wanted))))
    return note("wrong type: '" + key.getValue() + "' is " + toString(info.dtype) +
                " in the folder");
  std::vector<char> bytes;
  if (same) {
    bytes.assign(tensor->data.begin(), tensor->data.end());
  } else {
    std::vector<float> floats(info.numElements());
    checkpoint::convertToFloat(info.dtype, tensor->data, floats);
    bytes.resize(floats.size() * byteWidth(*wanted));
    convertFromFloat(*wanted, floats, bytes);
  }
  ElementsAttr value;
  bool aligned = reinterpret_cast<uintptr_t>(tensor->data.data()) % byteWidth(info.dtype) == 0;
  if (elementType.isInteger(1)) {
    SmallVector<bool> bits(bytes.begin(), bytes.end());
    value = DenseElementsAttr::get(type, bits);
  } else {
    AsmResourceBlob blob =
        same && aligned
            ? AsmResourceBlob(
                  tensor->data, byteWidth(info.dtype),
                  [owner = tensor->owner](void *, size_t, size_t) {}, /*dataIsMutable=*/false)
            : HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, byteWidth(*wanted));
    auto &manager = DenseResourceElementsHandle::getManagerInterface(&getContext());
    value = DenseResourceElementsAttr::get(type, manager.insert(key, std::move(blob)));
  }
  auto constant = arith::ConstantOp::create(builder, argument.getLoc(), value);
  constant->setAttr(kKeyAttr, key);
  if (same)
    constant->setAttr(kMappedAttr, builder.getUnitAttr());
  return constant;
}

void LoadCheckpointPass::bindArguments(const ModelFolder &folder, FunctionOpInterface function) {
  if (function.isExternal())
    return;
  llvm::BitVector erased(function.getNumArguments());
  OpBuilder builder(&getContext());
  builder.setInsertionPointToStart(&function.getFunctionBody().front());
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto key = function.getArgAttrOfType<StringAttr>(i, kParameterAttr);
    if (!key)
      continue;
    BlockArgument argument = function.getArgument(i);
    if (!argument.use_empty()) {
      Value value = bind(folder, builder, argument, key);
      if (!value)
        continue;
      argument.replaceAllUsesWith(value);
    }
    erased.set(i);
  }
  (void)function.eraseArguments(erased);
}

void LoadCheckpointPass::runOnOperation() {
  ModuleOp module = getOperation();
  problems.clear();
  auto fail = [&](const Twine &message) {
    mlir::emitError(module.getLoc(), message);
    signalPassFailure();
  };
  if (dir.empty())
    return fail("load-checkpoint needs dir=D, the folder of a quantized model");
  if (!format.empty() && format != "gptq" && format != "gptq_v2")
    return fail("unknown format '" + format + "'; gptq and gptq_v2 are what there is to choose");
  Expected<ModelFolder> folder = ModelFolder::open(dir);
  if (!folder)
    return fail(toString(folder.takeError()));
  auto config = folder->quantization();
  if (!config)
    return fail(toString(config.takeError()));
  if (!*config)
    return fail("'" + dir +
                "': its config.json has no quantization_config: the model is in float; "
                "bind it with --load-parameters");
  QuantizedFormat &stored = (*config)->format;
  if (!format.empty()) {
    if (stored != QuantizedFormat::Gptq && stored != QuantizedFormat::GptqV2)
      return fail("'" + dir + "': it is " + toString(stored) + "; leave format= away");
    stored = format == "gptq" ? QuantizedFormat::Gptq : QuantizedFormat::GptqV2;
  }
  if (failed(ensureRaised(module, getAnalysisManager())))
    return signalPassFailure();
  if (Error error = replaceLayers(*folder, **config))
    return fail(toString(std::move(error)));
  for (auto function : module.getOps<FunctionOpInterface>())
    bindArguments(*folder, function);
  if (!problems.empty())
    fail("the parameters do not match the folder '" + dir + "' (" + Twine(problems.size()) +
         "):\n  " + llvm::join(problems, "\n  "));
}
