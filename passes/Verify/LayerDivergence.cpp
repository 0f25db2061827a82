// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LayerDivergence.h"
#include "ObservableCopy.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/IR/PTQ.h"

#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

static constexpr int64_t maxTokens = 64;

double ptq::residualUpToScale(numerics::ConstMatrix x, numerics::ConstMatrix reference) {
  int64_t rows = x.rows, columns = x.columns;
  std::vector<double> xx(columns), xr(columns);
  double energy = 0, other = 0, residual = 0;
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t k = 0; k != columns; ++k) {
      double a = x.row(t)[k], r = reference.row(t)[k];
      xx[k] += a * a;
      xr[k] += a * r;
      energy += r * r;
      other += a * a;
    }
  if (energy == 0)
    return other == 0 ? 0 : 1;
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t k = 0; k != columns; ++k) {
      double factor = xr[k] > 0 ? xr[k] / xx[k] : 0;
      double r = reference.row(t)[k];
      // A value that is no number is as far off as can be, whatever its factor.
      double difference = factor == 0 ? r : r - factor * x.row(t)[k];
      residual += difference * difference;
    }
  return std::sqrt(residual / energy);
}

namespace {

struct KeptInput {
  int64_t tokens = 0, columns = 0;
  std::vector<float> rows;

  numerics::ConstMatrix matrix() const {
    return {rows.data(), columns ? int64_t(rows.size()) / columns : 0, columns};
  }
};

/// Keeps some tokens of each layer's input, in program order.
class InputObserver : public LinearObserver {
public:
  bool wants(Operation *op) override { return isObservable(op); }

  llvm::Expected<std::optional<std::vector<float>>> observe(Operation *op,
                                                            const ObservedInput &input) override {
    numerics::ConstMatrix x = input.x;
    KeptInput &kept = inputs.emplace_back();
    // A name may occur more than once in IR that no pass named.
    StringRef name = cast<LayerOpInterface>(op).getLayerName();
    keys.push_back(name.str() + '\0' + std::to_string(occurrences[name]++));
    names.push_back(name.str());
    kept.tokens = x.rows;
    kept.columns = x.columns;
    int64_t count = std::min(maxTokens, x.rows);
    for (int64_t i = 0; i != count; ++i) {
      const float *row = x.row(i * x.rows / count);
      kept.rows.insert(kept.rows.end(), row, row + x.columns);
    }
    return std::nullopt;
  }

  std::vector<std::string> keys, names;
  std::vector<KeptInput> inputs;

private:
  llvm::StringMap<unsigned> occurrences;
};

} // namespace

static llvm::Error observeInputs(const BoundFunction &bound, ArrayRef<size_t> indices,
                                 InputObserver &observer) {
  std::vector<std::vector<Tensor>> samples;
  for (size_t index : indices)
    samples.push_back(bound.samples[index]);
  func::FuncOp function = bound.function;
  OwningOpRef<ModuleOp> copy = makeObservableCopy(function);
  return runSamples(copy->lookupSymbol<func::FuncOp>(function.getSymNameAttr()), samples, observer);
}

llvm::Expected<std::vector<LayerDifference>> ptq::compareLayerInputs(const BoundFunction &current,
                                                                     const BoundFunction &reference,
                                                                     ArrayRef<size_t> samples) {
  InputObserver truth, own;
  if (llvm::Error error = observeInputs(reference, samples, truth))
    return std::move(error);
  if (llvm::Error error = observeInputs(current, samples, own))
    return std::move(error);
  llvm::StringMap<const KeptInput *> references;
  for (auto [key, input] : llvm::zip(truth.keys, truth.inputs))
    references[key] = &input;
  std::vector<LayerDifference> differences;
  for (auto [key, name, input] : llvm::zip(own.keys, own.names, own.inputs)) {
    const KeptInput *expected = references.lookup(key);
    if (expected && expected->tokens == input.tokens && expected->columns == input.columns)
      differences.push_back({name, residualUpToScale(input.matrix(), expected->matrix())});
  }
  return differences;
}
