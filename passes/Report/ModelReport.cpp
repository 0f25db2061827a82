// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the passes left on the layers, as JSON.

#include "ModelReport.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/LayerTimes.h"
#include "ptq/Analysis/ModelSize.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/Codebook.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Transform/TransformRecord.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ptq;
namespace json = llvm::json;

/// JSON is UTF-8; names and paths come from files that need not be.
static std::string utf8(StringRef text) {
  return json::isUTF8(text) ? text.str() : json::fixUTF8(text);
}

/// The first file position in a location, as "file:line:column"; the location's text if it has
/// none.
static std::string locationText(Location loc) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto file = loc->findInstanceOf<FileLineColLoc>())
    os << file.getFilename().getValue() << ':' << file.getLine() << ':' << file.getColumn();
  else
    os << loc;
  return utf8(text);
}

static json::Value number(DictionaryAttr record, StringRef key) {
  auto attr = record ? record.getAs<FloatAttr>(key) : FloatAttr();
  bool isNumber = attr && attr.getValue().isFinite(); // JSON has no other numbers.
  return isNumber ? json::Value(attr.getValueAsDouble()) : json::Value(nullptr);
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

/// "W4A8: int4 per_group in int8 per_channel, activations int8 symmetric per_token dynamic".
static void describeGroups(json::Object &object, ExpandGroupsOp expand, SchemeAttr weight,
                           SchemeAttr activation) {
  std::string bits = std::to_string(expand.getBits());
  object["scheme"] = "W" + bits + "A" + std::to_string(activation.getBits()) + ": int" + bits +
                     " per_group in int8 " + stringifyGranularity(weight.getGranularity()).str() +
                     ", activations " + schemeText(activation);
  object["bits"] = expand.getBits();
  object["group_size"] = expand.getGroupSize();
}

/// "nf4 per_group, scales int8".
static void describeLookup(json::Object &object, LookupDequantizeOp lookup) {
  std::string text = "codebook";
  if (auto table = evaluateWeight(lookup.getTable()); !table)
    llvm::consumeError(table.takeError());
  else if (table->data == numerics::codebookEntries(numerics::Codebook::NF4))
    text = "nf4";
  int64_t groupSize = lookup.getGroupSize();
  bool perGroup = groupSize < lookup.getY().getType().getDimSize(1);
  text += perGroup ? " per_group" : " per_channel";
  // Scales are in the row's order, with reshapes at most between.
  Value scales = lookup.getScales();
  while (Operation *op = scales.getDefiningOp()) {
    if (auto codes = dyn_cast<LookupDequantizeOp>(op)) {
      text += ", scales int" + std::to_string(codes.getBits());
      break;
    }
    if (op->getNumOperands() != 1)
      break;
    scales = op->getOperand(0);
  }
  object["scheme"] = text;
  object["bits"] = lookup.getBits();
  if (perGroup)
    object["group_size"] = groupSize;
}

/// How long rounding took, if it was in this process.
static json::Value secondsOf(Operation *op, StringRef name) {
  std::optional<double> seconds = LayerTimes::lookup(op->getContext(), name);
  return seconds ? json::Value(*seconds) : json::Value(nullptr);
}

/// What all rows have; layers add to it.
static json::Object row(StringRef name, Location loc, StringRef status, json::Value reason) {
  return json::Object{{"name", utf8(name)},
                      {"shape", nullptr},
                      {"location", locationText(loc)},
                      {"status", status},
                      {"reason", reason},
                      {"scheme", nullptr},
                      {"bits", nullptr},
                      {"group_size", nullptr},
                      {"method", nullptr},
                      {"input_scale", nullptr},
                      {"transforms", json::Array()},
                      {"error_rtn", nullptr},
                      {"error", nullptr},
                      {"seconds", nullptr}};
}

/// What each transformation chose for the layer's input: method, where its scale went, the
/// parameters that absorbed it, and the transformation's own figures.
static json::Array transformRows(DictionaryAttr methods) {
  json::Array rows;
  for (NamedAttribute entry : methods ? methods.getValue() : ArrayRef<NamedAttribute>()) {
    auto details = dyn_cast<DictionaryAttr>(entry.getValue());
    if (!details)
      continue;
    json::Array into;
    if (auto names = details.getAs<ArrayAttr>("into"))
      for (auto name : names.getAsRange<StringAttr>())
        into.push_back(utf8(name.getValue()));
    auto where = details.getAs<StringAttr>("where");
    json::Object row{{"method", entry.getName().getValue()},
                     {"where", utf8(where ? where.getValue() : "")},
                     {"into", std::move(into)}};
    for (StringRef key : {"alpha", "ratio", "loss_before", "loss"})
      if (details.get(key))
        row[key] = number(details, key);
    rows.push_back(std::move(row));
  }
  return rows;
}

static json::Object layerRow(LayerOpInterface layer) {
  auto skipped = layer->getAttrOfType<StringAttr>(kSkippedAttr);
  json::Object object = row(layer.getLayerName(), layer.getLoc(), skipped ? "skipped" : "raised",
                            skipped ? json::Value(utf8(skipped.getValue())) : json::Value(nullptr));
  object["shape"] = json::Array{layer.getOutFeatures(), layer.getInFeatures()};
  auto inputScale = layer->getAttrOfType<StringAttr>(kInputScaleAttr);
  object["input_scale"] = inputScale ? inputScale.getValue() : "none";
  object["transforms"] = transformRows(layer->getAttrOfType<DictionaryAttr>(kTransformAttr));
  SchemeAttr scheme, activation;
  if (auto packed = dyn_cast<WeightOnlyLinearOp>(layer.getOperation())) {
    scheme = packed.getScheme();
  } else if (auto integer = dyn_cast<IntegerLinearOp>(layer.getOperation())) {
    scheme = integer.getWeightScheme();
    activation = integer.getActivationScheme();
  } else if (auto lookup = cast<LinearOp>(layer).getWeight().getDefiningOp<LookupDequantizeOp>()) {
    describeLookup(object, lookup);
  } else if (auto fake = cast<LinearOp>(layer).getWeight().getDefiningOp<DequantizeOp>()) {
    scheme = fake.getScheme();
    if (auto x = cast<LinearOp>(layer).getX().getDefiningOp<DequantizeOp>())
      activation = x.getScheme();
  }
  if (scheme) {
    object["scheme"] = schemeText(scheme, activation);
    object["bits"] = scheme.getBits();
    if (scheme.getGranularity() == Granularity::PerGroup)
      object["group_size"] = scheme.getGroupSize();
    if (auto integer = dyn_cast<IntegerLinearOp>(layer.getOperation()))
      if (auto expand = integer.getWeight().getDefiningOp<ExpandGroupsOp>())
        describeGroups(object, expand, scheme, activation);
  }
  auto record = layer->getAttrOfType<DictionaryAttr>(kReportAttr);
  for (NamedAttribute entry : record ? record.getValue() : ArrayRef<NamedAttribute>()) {
    if (auto text = dyn_cast<StringAttr>(entry.getValue()))
      object[entry.getName().getValue()] = text.getValue();
    else
      object[entry.getName().getValue()] = number(record, entry.getName().getValue());
  }
  if (record)
    object["seconds"] = secondsOf(layer, layer.getLayerName());
  return object;
}

/// A table whose rows are read in integers.
static json::Object embeddingRow(DequantizeOp op, DictionaryAttr record) {
  json::Array shape;
  if (auto sizes = record.getAs<ArrayAttr>("shape"))
    for (auto size : sizes.getAsRange<IntegerAttr>())
      shape.push_back(size.getInt());
  auto name = record.getAs<StringAttr>("name");
  return json::Object{{"name", utf8(name ? name.getValue() : "")},
                      {"shape", std::move(shape)},
                      {"location", locationText(op.getLoc())},
                      {"bits", op.getScheme().getBits()},
                      {"error", number(record, "error")},
                      {"seconds", secondsOf(op, name ? name.getValue() : "")}};
}

json::Object ptq::describeModel(ModuleOp module) {
  json::Array layers, embeddings;
  llvm::StringSet<> tables;
  double seconds = 0;
  module.walk([&](Operation *op) {
    if (auto layer = dyn_cast<LayerOpInterface>(op)) {
      layers.push_back(layerRow(layer));
      if (std::optional<double> own = layers.back().getAsObject()->getNumber("seconds"))
        seconds += *own;
    } else if (auto reason = op->getAttrOfType<StringAttr>(kDeclinedAttr)) {
      auto name = op->getAttrOfType<StringAttr>(kLayerAttr);
      layers.push_back(
          row(name ? name.getValue() : "", op->getLoc(), "declined", utf8(reason.getValue())));
    } else if (auto record = op->getAttrOfType<DictionaryAttr>(kEmbeddingAttr);
               record && isa<DequantizeOp>(op)) {
      json::Object table = embeddingRow(cast<DequantizeOp>(op), record);
      if (!tables.insert(*table.getString("name")).second)
        return;
      seconds += table.getNumber("seconds").value_or(0);
      embeddings.push_back(std::move(table));
    }
  });
  QuantizedSize size = quantizedSize(module);
  int64_t bytes = parameterBytes(module);
  int64_t before = bytes - size.packed + size.original;
  auto file = module.getLoc()->findInstanceOf<FileLineColLoc>();
  return json::Object{
      {"model", file ? json::Value(utf8(file.getFilename().getValue())) : json::Value(nullptr)},
      {"seconds", seconds},
      {"bytes_before", before},
      {"bytes", bytes},
      {"compression_ratio", bytes ? double(before) / bytes : 1.0},
      {"layers", std::move(layers)},
      {"embeddings", std::move(embeddings)}};
}
