// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The report: what the passes left on the layers, as JSON.

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/ModelSize.h"
#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Report/Passes.h"
#include "ptq/Transform/TransformRecord.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/JSON.h"

namespace ptq {
#define GEN_PASS_DEF_WRITEREPORT
#include "ptq/Report/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;
namespace json = llvm::json;

/// The first file position in a location, as "file:line:column"; the location's text if it has
/// none.
static std::string locationText(Location loc) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto file = loc->findInstanceOf<FileLineColLoc>())
    os << file.getFilename().getValue() << ':' << file.getLine() << ':' << file.getColumn();
  else
    os << loc;
  return text;
}

static json::Value number(DictionaryAttr record, StringRef key) {
  auto attr = record ? record.getAs<FloatAttr>(key) : FloatAttr();
  return attr ? json::Value(attr.getValueAsDouble()) : json::Value(nullptr);
}

static std::string schemeText(SchemeAttr scheme) {
  return "int" + std::to_string(scheme.getBits()) +
         (scheme.getSymmetric() ? " symmetric " : " asymmetric ") +
         stringifyGranularity(scheme.getGranularity()).str() +
         (scheme.getDynamic() ? " dynamic" : "");
}

/// "W8A8: int8 symmetric per_channel, activations int8 symmetric per_token dynamic".
static std::string schemeText(SchemeAttr weight, SchemeAttr activation) {
  if (!activation)
    return schemeText(weight);
  return "W" + std::to_string(weight.getBits()) + "A" + std::to_string(activation.getBits()) +
         ": " + schemeText(weight) + ", activations " + schemeText(activation);
}

/// What all rows have; layers add to it.
static json::Object row(StringRef name, Location loc, StringRef status, json::Value reason) {
  return json::Object{
      {"name", name},           {"shape", nullptr},      {"location", locationText(loc)},
      {"status", status},       {"reason", reason},      {"scheme", nullptr},
      {"bits", nullptr},        {"group_size", nullptr}, {"method", nullptr},
      {"input_scale", nullptr}, {"error_rtn", nullptr},  {"error", nullptr},
      {"seconds", nullptr}};
}

static json::Object layerRow(LayerOpInterface layer) {
  auto skipped = layer->getAttrOfType<StringAttr>(kSkippedAttr);
  json::Object object = row(layer.getLayerName(), layer.getLoc(), skipped ? "skipped" : "raised",
                            skipped ? json::Value(skipped.getValue()) : json::Value(nullptr));
  object["shape"] = json::Array{layer.getOutFeatures(), layer.getInFeatures()};
  auto inputScale = layer->getAttrOfType<StringAttr>(kInputScaleAttr);
  object["input_scale"] = inputScale ? inputScale.getValue() : "none";
  SchemeAttr scheme, activation;
  if (auto packed = dyn_cast<WeightOnlyLinearOp>(layer.getOperation())) {
    scheme = packed.getScheme();
  } else if (auto integer = dyn_cast<IntegerLinearOp>(layer.getOperation())) {
    scheme = integer.getWeightScheme();
    activation = integer.getActivationScheme();
  } else {
    return object;
  }
  object["scheme"] = schemeText(scheme, activation);
  object["bits"] = scheme.getBits();
  if (scheme.getGranularity() == Granularity::PerGroup)
    object["group_size"] = scheme.getGroupSize();
  if (auto record = layer->getAttrOfType<DictionaryAttr>(kReportAttr)) {
    if (auto method = record.getAs<StringAttr>("method"))
      object["method"] = method.getValue();
    object["error_rtn"] = number(record, "error_rtn");
    object["error"] = number(record, "error");
    object["seconds"] = number(record, "seconds");
  }
  return object;
}

namespace {

struct WriteReportPass : ptq::impl::WriteReportBase<WriteReportPass> {
  using WriteReportBase::WriteReportBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!StringRef(file).ends_with(".json")) {
      mlir::emitError(module.getLoc(), "write-report needs file=F.json, not '") << file << "'";
      return signalPassFailure();
    }
    json::Array layers;
    double seconds = 0;
    module.walk([&](Operation *op) {
      if (auto layer = dyn_cast<LayerOpInterface>(op)) {
        layers.push_back(layerRow(layer));
        if (std::optional<double> own = layers.back().getAsObject()->getNumber("seconds"))
          seconds += *own;
      } else if (auto reason = op->getAttrOfType<StringAttr>(kDeclinedAttr)) {
        auto name = op->getAttrOfType<StringAttr>(kLayerAttr);
        layers.push_back(
            row(name ? name.getValue() : "", op->getLoc(), "declined", reason.getValue()));
      }
    });
    QuantizedSize size = quantizedSize(module);
    int64_t bytes = parameterBytes(module);
    double ratio = bytes ? double(bytes - size.packed + size.original) / bytes : 1.0;
    json::Object report{
        {"seconds", seconds}, {"compression_ratio", ratio}, {"layers", std::move(layers)}};
    llvm::Error error = checkpoint::writeFileAtomically(file, [&](llvm::raw_pwrite_stream &os) {
      os << llvm::formatv("{0:2}\n", json::Value(std::move(report)));
      return llvm::Error::success();
    });
    if (error) {
      mlir::emitError(module.getLoc(), "write-report: " + toString(std::move(error)));
      signalPassFailure();
    }
  }
};

} // namespace
