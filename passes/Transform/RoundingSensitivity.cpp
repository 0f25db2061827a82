// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RoundingSensitivity.h"

#include "ptq/Analysis/WeightValue.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Support/Progress.h"

#include <cblas.h>

using namespace mlir;
using namespace ptq;

namespace {
class RoundOne : public execution::LinearObserver {
public:
  explicit RoundOne(const SelectedLayer &selected) : selected(selected) {}
  bool wants(Operation *op) override { return op == selected.layer; }
  llvm::Expected<std::optional<std::vector<float>>> observe(Operation *op,
                                                            numerics::ConstMatrix x) override {
    LinearOp layer = selected.layer;
    llvm::Expected<WeightValue> value = evaluateWeight(layer.getWeight());
    if (!value)
      return value.takeError();
    int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
    numerics::ConstMatrix weight(value->data.data(), rows, columns);
    auto rounded = numerics::quantizeRtn(weight, selected.scheme);
    if (!rounded)
      return rounded.takeError();
    std::vector<float> result(rows * columns), delta(rows * columns), y(rows * x.rows);
    numerics::dequantize(*rounded, numerics::MutableMatrix(result.data(), rows, columns));
    for (int64_t i = 0; i < rows * columns; ++i)
      delta[i] = result[i] - value->data[i];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, x.rows, rows, columns, 1.0f, x.data,
                x.stride, delta.data(), columns, 0.0f, y.data(), rows);
    for (float v : y)
      error += double(v) * v;
    return result;
  }
  double error = 0;

private:
  SelectedLayer selected;
};
} // namespace

static double klSum(ArrayRef<float> a, ArrayRef<float> b, int64_t n) {
  double total = 0;
  for (size_t first = 0; first < a.size(); first += n) {
    double ma = -1e30, mb = -1e30, sa = 0, sb = 0;
    for (int64_t i = 0; i < n; ++i) {
      ma = std::max(ma, double(a[first + i]));
      mb = std::max(mb, double(b[first + i]));
    }
    for (int64_t i = 0; i < n; ++i) {
      sa += std::exp(a[first + i] - float(ma));
      sb += std::exp(b[first + i] - float(mb));
    }
    double la = ma + std::log(sa), lb = mb + std::log(sb);
    for (int64_t i = 0; i < n; ++i) {
      double p = std::exp(a[first + i] - float(la));
      total += p * ((a[first + i] - la) - (b[first + i] - lb));
    }
  }
  return total;
}

llvm::Expected<std::vector<double>> ptq::measureSensitivities(ModuleOp module,
                                                              CalibrationSource source,
                                                              ArrayRef<SelectedLayer> layers,
                                                              int64_t numSamples) {
  llvm::Expected<func::FuncOp> function = findFunction(module, source.function);
  if (!function)
    return function.takeError();
  source.maxSamples = numSamples;
  auto samples = loadSamples(*function, source);
  if (!samples)
    return samples.takeError();
  execution::ExecutorOptions options;
  options.kernels = sharedKernels();
  auto executor = execution::Executor::create(*function, options);
  if (!executor)
    return executor.takeError();
  auto reference = (*executor)->run(*samples);
  if (!reference)
    return reference.takeError();
  std::vector<double> result;
  Progress progress("mixed-precision: sensitivity", layers.size());
  for (const SelectedLayer &selected : layers) {
    RoundOne observer(selected);
    progress.begin(LinearOp(selected.layer).getLayerName());
    auto outputs = (*executor)->run(*samples, &observer);
    if (!outputs)
      return outputs.takeError();
    double change = 0, kl = 0;
    for (auto [ys, rs] : llvm::zip_equal(*outputs, *reference)) {
      for (auto [y, r] : llvm::zip_equal(ys, rs)) {
        if (!isa<FloatType>(y.type.getElementType()))
          continue;
        std::vector<float> a(y.numElements()), b(y.numElements());
        execution::convertToFloat(r, a);
        execution::convertToFloat(y, b);
        for (size_t i = 0; i < a.size(); ++i)
          change += double(a[i] - b[i]) * (a[i] - b[i]);
        kl += klSum(a, b, y.type.getShape().back());
      }
    }
    fprintf(stderr, "SENS %s %g %g %g\n", LinearOp(selected.layer).getLayerName().str().c_str(), observer.error, change, kl);
    result.push_back(observer.error > 0 ? kl / observer.error : 0);
    progress.advance();
  }
  return result;
}
