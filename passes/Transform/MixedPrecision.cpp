// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "../Quantize/RoundingPass.h"
#include "PlanMarks.h"
#include "RoundingErrors.h"
#include "RoundingSensitivity.h"
#include "TransformGroups.h"

#include "ptq/Numerics/BitAllocation.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Transform/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fstream>

namespace ptq {
#define GEN_PASS_DEF_MIXEDPRECISION
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct MixedPrecisionPass : ptq::impl::MixedPrecisionBase<MixedPrecisionPass> {
  using MixedPrecisionBase::MixedPrecisionBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = plan.empty() ? allocateAverage() : followPlan()) {
      mlir::emitError(getOperation().getLoc(), "mixed-precision: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error allocateAverage();
  llvm::Error followPlan();
};

} // namespace

llvm::Error MixedPrecisionPass::followPlan() {
  llvm::Expected<PrecisionPlan> loaded = PrecisionPlan::load(plan);
  if (!loaded)
    return loaded.takeError();
  numerics::WeightScheme defaults;
  defaults.symmetric = symmetric;
  defaults.groupSize = groupSize;
  if (groupSize == -1)
    defaults.granularity = numerics::Granularity::PerChannel;
  return applyPlan(getOperation(), *loaded, defaults).takeError();
}

llvm::Error MixedPrecisionPass::allocateAverage() {
  ModuleOp module = getOperation();
  std::optional<CalibrationSource> source = CalibrationSource::of(module);
  auto function = findCalibratedFunction(module, source ? &*source : nullptr);
  if (!function)
    return function.takeError();
  RoundingOptions options;
  options.groupSize = givenValue<int64_t>(groupSize, 128);
  options.symmetric = givenValue<bool>(symmetric, true);
  auto selected = selectLayers(*function, options);
  if (!selected)
    return selected.takeError();
  std::vector<unsigned> widths(bits.begin(), bits.end());
  if (widths.empty())
    widths = {2, 3, 4, 8, 16};
  bool keepFloat = llvm::is_contained(widths, 16u);
  llvm::erase(widths, 16u);
  std::vector<RoundingErrors> table;
  std::vector<double> weights;
  const char *cache = getenv("PTQ_TABLE");
  std::ifstream in(cache ? cache : "/nonexistent");
  if (in) {
    for (const SelectedLayer &s : *selected) {
      std::string name;
      RoundingErrors e{s, {}, 0};
      double sens;
      in >> name >> e.energy >> sens;
      for (unsigned b : {2, 3, 4, 5, 6, 8}) {
        double v;
        in >> v;
        if (llvm::is_contained(widths, b))
          e.errors.push_back(v);
      }
      weights.push_back(sens);
      table.push_back(e);
    }
  } else {
    auto measured = measureRoundingErrors(module, *source, *selected,
                                          cache ? std::vector<unsigned>{2, 3, 4, 5, 6, 8} : widths, method);
    if (!measured)
      return measured.takeError();
    table = *measured;
    weights.assign(table.size(), 1);
    if (cache) {
      int64_t n = getenv("PTQ_SENS") ? atoi(getenv("PTQ_SENS")) : 1;
      for (auto &s : *selected) s.scheme.bits = getenv("PTQ_SBITS") ? atoi(getenv("PTQ_SBITS")) : 4;
      auto sens = measureSensitivities(module, *source, *selected, n);
      if (!sens)
        return sens.takeError();
      std::ofstream out(cache);
      for (auto [e, w] : llvm::zip(table, *sens)) {
        out << e.selected.layer.getLayerName().str() << " " << e.energy << " " << w;
        for (double v : e.errors)
          out << " " << v;
        out << "\n";
      }
      return llvm::createStringError("table written");
    }
  }
  if (const char *override = getenv("PTQ_WEIGHTS")) {
    std::ifstream in(override);
    for (double &w : weights)
      in >> w;
  }
  std::vector<std::vector<numerics::AllocationChoice>> items;
  int64_t budget = 0;
  for (auto [e, w] : llvm::zip(table, weights)) {
    LinearOp layer = e.selected.layer;
    int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
    budget += numerics::storedBytes(e.selected.scheme, averageBits, rows, columns);
    double weight = objective == "relative" ? 1 / e.energy : objective == "sensitivity" ? w : 1;
    auto &item = items.emplace_back();
    for (auto [b, v] : llvm::zip(widths, e.errors))
      item.push_back({numerics::storedBytes(e.selected.scheme, b, rows, columns), v * weight});
    if (keepFloat)
      item.push_back({rows * columns * layer.getWeight().getType().getElementTypeBitWidth() / 8, 0});
  }
  auto allocation = numerics::allocate(items, budget);
  if (!allocation)
    return allocation.takeError();
  for (auto [e, choice] : llvm::zip(table, allocation->choice)) {
    LinearOp layer = e.selected.layer;
    std::string s;
    for (double v : e.errors) s += llvm::formatv(" {0:e2}", v / e.energy);
    if (choice == widths.size()) {
      layer->setAttr(kKeepFloatAttr, StringAttr::get(&getContext(), "16 bits"));
      fprintf(stderr, "CHOICE %s 16 %s\n", layer.getLayerName().str().c_str(), s.c_str());
      continue;
    }
    e.selected.scheme.bits = widths[choice];
    layer.setWeightSchemeAttr(toMark(&getContext(), e.selected.scheme));
    fprintf(stderr, "CHOICE %s %u %s\n", layer.getLayerName().str().c_str(), widths[choice], s.c_str());
  }
  fprintf(stderr, "size %lld of %lld, cost %g\n", (long long)allocation->size, (long long)budget, allocation->cost);
  return llvm::Error::success();
}
