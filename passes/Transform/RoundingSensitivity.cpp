// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RoundingSensitivity.h"

#include "ptq/Analysis/Heads.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Numerics/LayerError.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/Threads.h"
#include "ptq/Support/Progress.h"

#include "llvm/ADT/DenseSet.h"
#include <cmath>

using namespace mlir;
using namespace ptq;

using Results = std::vector<std::vector<execution::Tensor>>;

namespace {

/// Rounds one layer, in one run, and tells by how much that changed the layer's output.
class OneLayerRounded : public execution::LinearObserver {
public:
  explicit OneLayerRounded(const SelectedLayer &selected) : selected(selected) {}

  bool wants(Operation *op) override { return op == selected.layer; }

  llvm::Expected<std::optional<std::vector<float>>>
  observe(Operation *op, const execution::ObservedInput &input) override {
    LinearOp layer = selected.layer;
    llvm::Expected<WeightValue> value = evaluateWeight(layer.getWeight());
    if (!value)
      return value.takeError();
    int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
    auto quantized = numerics::quantizeRtn(numerics::ConstMatrix(value->data.data(), rows, columns),
                                           selected.scheme);
    if (!quantized)
      return quantized.takeError();
    std::vector<float> rounded(rows * columns), change(rows * columns);
    numerics::dequantize(*quantized, numerics::MutableMatrix(rounded.data(), rows, columns));
    for (auto [c, r, w] : llvm::zip_equal(change, rounded, value->data))
      c = r - w;
    error = numerics::outputChange(input.x, numerics::ConstMatrix(change.data(), rows, columns));
    return rounded;
  }

  double error = 0;

private:
  const SelectedLayer &selected;
};

} // namespace

/// The squared distance of two vectors.
static double squaredDistance(ArrayRef<float> y, ArrayRef<float> reference) {
  double total = 0;
  for (auto [u, v] : llvm::zip_equal(y, reference))
    total += double(u - v) * (u - v);
  return total;
}

static double logSumExp(ArrayRef<float> logits) {
  float greatest = *llvm::max_element(logits);
  double sum = 0;
  for (float value : logits)
    sum += std::exp(value - greatest);
  return greatest + std::log(sum);
}

/// The Kullback-Leibler divergence of softmax(y) from softmax(reference).
static double divergence(ArrayRef<float> y, ArrayRef<float> reference) {
  double logSum = logSumExp(y), logReference = logSumExp(reference), total = 0;
  for (auto [u, v] : llvm::zip_equal(y, reference)) {
    double logP = v - logReference;
    total += std::exp(static_cast<float>(logP)) * (logP - (u - logSum));
  }
  return total;
}

/// How far two runs' float results are apart; `vocabularies` are the widths of logits.
static double distance(const Results &results, const Results &reference,
                       const llvm::DenseSet<int64_t> &vocabularies) {
  double total = 0;
  std::vector<float> a, b;
  for (auto [ours, theirs] : llvm::zip_equal(results, reference))
    for (auto [y, r] : llvm::zip_equal(ours, theirs)) {
      if (!isa<FloatType>(y.type.getElementType()) || y.numElements() == 0)
        continue;
      a.resize(y.numElements());
      b.resize(r.numElements());
      execution::convertToFloat(y, a);
      execution::convertToFloat(r, b);
      int64_t width = y.type.getRank() ? y.type.getShape().back() : 1;
      bool logits = vocabularies.contains(width);
      std::vector<double> rows(y.numElements() / width);
      numerics::parallelFor(0, rows.size(), 4, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          ArrayRef<float> ya(a.data() + i * width, width), ra(b.data() + i * width, width);
          rows[i] = logits ? divergence(ya, ra) : squaredDistance(ya, ra);
        }
      });
      for (double row : rows)
        total += row;
    }
  // Rounding may leave less than nothing of next to nothing.
  return std::max(total, 0.0);
}

/// The widths of heads, which return logits. A head of one output is a number, not a logit.
static llvm::DenseSet<int64_t> findVocabularies(func::FuncOp function) {
  llvm::DenseSet<int64_t> widths;
  function.walk([&](LinearOp layer) {
    if (layer.getOutFeatures() > 1 && isReturnedAsIs(layer.getY()))
      widths.insert(layer.getOutFeatures());
  });
  return widths;
}

llvm::Expected<std::vector<double>> ptq::measureSensitivities(ModuleOp module,
                                                              CalibrationSource source,
                                                              ArrayRef<SelectedLayer> layers,
                                                              int64_t numSamples) {
  llvm::Expected<func::FuncOp> function = findFunction(module, source.function);
  if (!function)
    return function.takeError();
  if (llvm::none_of(function->getResultTypes(),
                    [](Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }))
    return llvm::createStringError("function '" + function->getName() +
                                   "' returns no floats whose change could be measured: take "
                                   "objective=relative");
  source.maxSamples = source.maxSamples ? std::min(source.maxSamples, numSamples) : numSamples;
  auto samples = loadSamples(*function, source);
  if (!samples)
    return samples.takeError();
  execution::ExecutorOptions options;
  options.kernels = sharedKernels();
  auto executor = execution::Executor::create(*function, options);
  if (!executor)
    return executor.takeError();
  llvm::Expected<Results> reference = (*executor)->run(*samples);
  if (!reference)
    return reference.takeError();
  llvm::DenseSet<int64_t> vocabularies = findVocabularies(*function);
  std::vector<double> sensitivities;
  Progress progress("mixed-precision: sensitivity", layers.size());
  for (const SelectedLayer &selected : layers) {
    progress.begin(LinearOp(selected.layer).getLayerName());
    OneLayerRounded observer(selected);
    llvm::Expected<Results> results = (*executor)->run(*samples, &observer);
    if (!results)
      return results.takeError();
    sensitivities.push_back(
        observer.error > 0 ? distance(*results, *reference, vocabularies) / observer.error : 0);
    progress.advance();
  }
  return sensitivities;
}
