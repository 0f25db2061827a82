// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GptqRounder.h"

#include "LayerParts.h"
#include "OutlierLayer.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/BlockedInput.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Support/ContentHash.h"

#include <chrono>
#include <set>

using namespace mlir;
using namespace ptq;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

GptqRounder::GptqRounder(ArrayRef<SelectedLayer> selected, numerics::ColumnOrder order,
                         numerics::GptqOptions options, float damping, bool sequential,
                         StatisticsCollector *collector, LayerStore *store)
    : order(order), options(options), damping(damping), sequential(sequential),
      collector(collector), store(store), progress("gptq", selected.size()) {
  llvm::DenseMap<Value, std::set<FactorKey>> factors;
  for (const SelectedLayer &entry : selected) {
    LinearOp layer = entry.layer;
    Value input = sharedInput(layer.getX());
    layers[layer] = {entry, input};
    ++inputs[input].layersLeft;
    if (entry.method != "rtn")
      factors[input].insert(keyOf(entry));
  }
  for (auto &[input, keys] : factors)
    inputs[input].factorsLeft = keys.size();
}

FactorKey GptqRounder::keyOf(const SelectedLayer &selected) const {
  bool byGroup = order == numerics::ColumnOrder::GroupAware &&
                 selected.scheme.granularity == numerics::Granularity::PerGroup;
  return {byGroup ? selected.scheme.groupSize : 0, selected.outliers.getAsOpaquePointer()};
}

llvm::Expected<const numerics::GramFactor *> GptqRounder::factor(InputGram &input,
                                                                 const SelectedLayer &selected) {
  FactorKey key = keyOf(selected);
  auto it = input.factors.find(key);
  if (it != input.factors.end())
    return &it->second;
  numerics::FactorOptions factorOptions;
  factorOptions.damping = damping;
  factorOptions.order = order;
  factorOptions.groupSize = key.first;
  // The matrix is factored in place unless another factor is still to come.
  bool last = --input.factorsLeft == 0;
  std::vector<float> gram = last ? std::move(input.gram) : input.gram;
  int64_t columns = LinearOp(selected.layer).getInFeatures();
  withoutOutliers(gram, columns, selected.outliers);
  if (dropsOutliers(selected.outliers))
    columns -= selected.outliers.getColumns().size();
  llvm::Expected<numerics::GramFactor> result =
      numerics::factorGram(std::move(gram), columns, factorOptions);
  if (!result)
    return result.takeError();
  return &(input.factors[key] = std::move(*result));
}

/// The rows that this process rounds of each weight, and how it comes by the others'.
static numerics::RowShare rowShare() {
  distributed::Communicator &world = distributed::Communicator::world();
  auto exchange = [&world](llvm::MutableArrayRef<char> rows, ArrayRef<int64_t> ends) {
    return world.exchange(rows, ends);
  };
  return {world.rank(), world.size(), exchange};
}

llvm::Expected<numerics::QuantizedWeight>
GptqRounder::solve(const SelectedLayer &selected, InputGram &input,
                   llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram,
                   RoundingRecord &record) {
  LinearOp layer = selected.layer;
  int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
  bool nearest = selected.method == "rtn";
  if (!nearest && input.gram.empty() && input.factors.empty()) {
    input.gram.assign(columns * columns, 0.0f);
    if (llvm::Error error = computeGram(input.gram))
      return std::move(error);
  }
  llvm::Expected<WeightValue> weight = evaluateWeight(layer.getWeight());
  if (!weight)
    return weight.takeError();
  RoundedPart part(numerics::ConstMatrix(weight->data.data(), rows, columns), selected.outliers);
  numerics::ConstMatrix matrix = part.matrix;
  if (selected.outliers)
    recordOutliers(record, columns, selected.outliers);
  llvm::Expected<LayerClip> clip = LayerClip::of(layer, selected.scheme);
  if (!clip)
    return clip.takeError();

  if (!nearest) {
    llvm::Expected<const numerics::GramFactor *> factored = factor(input, selected);
    if (factored) {
      if (!(*factored)->warning.empty())
        mlir::emitWarning(layer.getLoc(), "layer '")
            << layer.getLayerName() << "': " << (*factored)->warning;
      numerics::GptqOptions own = options;
      own.rowShare = rowShare();
      own.outlierType = layer.getWeight().getType().getElementType().isBF16()
                            ? numerics::ShortFloat::BF16
                            : numerics::ShortFloat::F16;
      auto solved =
          numerics::quantizeGptq(matrix, **factored, selected.scheme, own, clip->matrix());
      if (!solved)
        return solved.takeError();
      record.method = "gptq";
      record.error = solved->error;
      record.errorRtn = solved->errorRtn;
      if (options.outliers > 0)
        record.figures.emplace_back("sparse_outliers", double(solved->weight.sparse.values.size()) /
                                                           (matrix.rows * matrix.columns));
      return std::move(solved->weight);
    }
    mlir::emitWarning(layer.getLoc(), "layer '")
        << layer.getLayerName() << "' is rounded to nearest: " << toString(factored.takeError());
  }
  record.method = "rtn";
  return numerics::quantizeRtn(matrix, selected.scheme, clip->matrix());
}

llvm::Expected<std::string>
GptqRounder::hashOf(const SelectedLayer &selected, InputGram &input,
                    llvm::function_ref<llvm::Expected<std::string>()> hashInput) const {
  LinearOp layer = selected.layer;
  if (input.hash.empty()) {
    llvm::Expected<std::string> hash = hashInput();
    if (!hash)
      return hash.takeError();
    input.hash = std::move(*hash);
  }
  llvm::Expected<WeightValue> weight = evaluateWeight(layer.getWeight());
  if (!weight)
    return weight.takeError();
  llvm::Expected<LayerClip> clip = LayerClip::of(layer, selected.scheme);
  if (!clip)
    return clip.takeError();
  numerics::ConstMatrix bounds = clip->matrix();
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "input " << input.hash << "; weight " << contentHash(weight->data) << ' '
     << layer.getWeight().getType() << "; clip "
     << contentHash(ArrayRef(bounds.data, bounds.rows * bounds.columns)) << "; scheme "
     << describe(selected.scheme) << "; method " << selected.method << "; integer activations "
     << bool(selected.activation) << "; outliers ";
  if (selected.outliers)
    os << Attribute(selected.outliers);
  os << "; order " << int(order) << "; damping " << double(damping) << "; options "
     << options.staticGroups << ' ' << options.liveGroupScales << ' ' << options.blockSize << ' '
     << options.computeErrors << ' ' << options.errorRows << ' ' << options.outliers;
  return contentHash(ArrayRef(text.data(), text.size()));
}

llvm::Expected<LayerStore::Entry>
GptqRounder::solveOrFind(const SelectedLayer &selected, InputGram &input,
                         llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram,
                         llvm::function_ref<llvm::Expected<std::string>()> hashInput) {
  auto start = Clock::now();
  std::string made;
  if (store) {
    llvm::Expected<std::string> hash = hashOf(selected, input, hashInput);
    if (!hash)
      return hash.takeError();
    made = *hash;
    auto found = store->find(selected.layer, selected.scheme, made);
    if (!found)
      return found.takeError();
    if (*found)
      return std::move(**found);
  }
  LayerStore::Entry entry;
  auto result = solve(selected, input, computeGram, entry.record);
  if (!result)
    return result.takeError();
  entry.record.seconds = secondsSince(start);
  entry.weight = LayerReplacer::pack(selected, std::move(*result));
  if (store)
    if (llvm::Error error = store->keep(selected.layer, made, entry))
      return std::move(error);
  return entry;
}

llvm::Expected<numerics::QuantizedWeight>
GptqRounder::round(LinearOp layer,
                   llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram,
                   llvm::function_ref<llvm::Expected<std::string>()> hashInput) {
  progress.begin(layer.getLayerName());
  const Layer &info = layers[layer];
  InputGram &input = inputs[info.input];
  auto entry = solveOrFind(info.selected, input, computeGram, hashInput);
  if (!entry)
    return llvm::createStringError("layer '" + layer.getLayerName() +
                                   "': " + toString(entry.takeError()));
  if (--input.layersLeft == 0)
    inputs.erase(info.input);
  numerics::QuantizedWeight result = entry->weight.unpack();
  rounded.push_back({info.selected, std::move(entry->weight), std::move(entry->record)});
  progress.advance();
  return result;
}

llvm::Expected<std::optional<std::vector<float>>>
GptqRounder::observe(Operation *op, const execution::ObservedInput &input) {
  auto layer = cast<LinearOp>(op);
  if (collector)
    if (llvm::Error error = collector->add(layer, input))
      return std::move(error);
  if (!layers.contains(op))
    return std::nullopt;
  auto result = round(
      layer, [&](std::vector<float> &gram) { return computeGram(input, gram); },
      [&] { return hashInput(input); });
  if (!result)
    return result.takeError();
  if (!sequential)
    return std::nullopt;
  if (OutliersAttr outliers = layer.getOutliersAttr()) {
    llvm::Expected<WeightValue> original = evaluateWeight(layer.getWeight());
    if (!original)
      return original.takeError();
    return effectiveWeight(
        numerics::ConstMatrix(original->data.data(), layer.getOutFeatures(), layer.getInFeatures()),
        *result, outliers);
  }
  std::vector<float> weight(result->rows * result->columns);
  numerics::dequantize(*result,
                       numerics::MutableMatrix(weight.data(), result->rows, result->columns));
  return weight;
}
