// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/CalibrationSamples.h"

#include "ByteSamples.h"
#include "GatheringObserver.h"
#include "TokenMask.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Calibrate/BlockedInput.h"
#include "ptq/Distributed/BlockSum.h"
#include "ptq/Execution/KernelCache.h"
#include "ptq/Execution/Samples.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace ptq;

std::optional<CalibrationSource> CalibrationSource::of(ModuleOp module) {
  auto dictionary = module->getAttrOfType<DictionaryAttr>(kCalibrationAttr);
  if (!dictionary)
    return std::nullopt;
  auto data = dictionary.getAs<StringAttr>("data");
  auto function = dictionary.getAs<StringAttr>("function");
  auto maxSamples = dictionary.getAs<IntegerAttr>("max_samples");
  if (!data || !function || !maxSamples)
    return std::nullopt;
  return CalibrationSource{data.str(), function.str(), maxSamples.getInt(),
                           dictionary.contains("pending")};
}

void CalibrationSource::attachTo(ModuleOp module) const {
  Builder b(module.getContext());
  SmallVector<NamedAttribute> entries{
      b.getNamedAttr("data", b.getStringAttr(data)),
      b.getNamedAttr("function", b.getStringAttr(function)),
      b.getNamedAttr("max_samples", b.getI64IntegerAttr(maxSamples))};
  if (pending)
    entries.push_back(b.getNamedAttr("pending", b.getUnitAttr()));
  module->setAttr(kCalibrationAttr, b.getDictionaryAttr(entries));
}

llvm::Expected<func::FuncOp> ptq::findFunction(ModuleOp module, StringRef name) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (function && !function.isExternal())
    return function;
  std::string others;
  for (auto other : module.getOps<func::FuncOp>())
    if (!other.isExternal())
      others += (others.empty() ? "" : ", ") + ("@" + other.getSymName()).str();
  return llvm::createStringError(
      "there is no function @" + name + " with a body" +
      (others.empty() ? "" : "; the module has " + others + ": name one with function=…"));
}

llvm::Expected<std::vector<std::vector<execution::Tensor>>>
ptq::loadSamples(func::FuncOp function, const CalibrationSource &source) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto key = function.getArgAttrOfType<StringAttr>(i, kParameterAttr))
      return llvm::createStringError(
          "parameter '" + key.getValue() +
          "' has no data: bind the weights with --load-parameters before");
  std::vector<std::vector<execution::Tensor>> samples;
  if (StringRef(source.data).ends_with(".safetensors")) {
    auto file = checkpoint::Checkpoint::open({source.data});
    if (!file)
      return file.takeError();
    auto set = execution::SampleSet::open(function, /*parameters=*/nullptr, std::move(*file));
    if (!set)
      return set.takeError();
    int64_t count = source.maxSamples ? std::min(source.maxSamples, set->size()) : set->size();
    samples = set->samples(0, count);
  } else {
    auto all = readByteSamples(function, source.data);
    if (!all)
      return all.takeError();
    samples = std::move(*all);
    if (source.maxSamples && source.maxSamples < int64_t(samples.size()))
      samples.resize(source.maxSamples);
  }
  for (const execution::Tensor &tensor :
       samples.empty() ? std::vector<execution::Tensor>() : samples.front())
    if (tensor.numElements() == 0)
      return llvm::createStringError("'" + source.data + "': the samples have no elements");
  if (samples.empty())
    return llvm::createStringError("'" + source.data + "' holds no samples");
  return samples;
}

std::shared_ptr<execution::KernelCache> ptq::sharedKernels() {
  static auto kernels = std::make_shared<execution::KernelCache>();
  return kernels;
}

llvm::Error ptq::runSamples(func::FuncOp function, ArrayRef<std::vector<execution::Tensor>> samples,
                            execution::LinearObserver &observer, InputsShown shown) {
  distributed::Communicator &world = distributed::Communicator::world();
  llvm::Expected<int64_t> most = maxSampleBlocks();
  if (!most)
    return most.takeError();
  int64_t blocks = std::min<int64_t>(samples.size(), *most);
  auto share = distributed::BlockShare::of(blocks, world);
  auto firstOf = [&](int64_t block) {
    return distributed::partBegin(block, blocks, samples.size());
  };
  int64_t first = firstOf(share.first), last = firstOf(share.last);

  execution::ExecutorOptions options;
  options.kernels = sharedKernels();
  options.stopAfterLastLinear = true;
  for (int64_t block = share.first; block != share.last; ++block)
    options.blocks.ends.push_back(firstOf(block + 1) - first);
  options.blocks.first = share.first;
  options.blocks.count = blocks;
  options.blocks.firstSample = first;
  options.blocks.invariantArguments = execution::findInvariantArguments(function, samples);
  auto executor = execution::Executor::create(function, options);
  if (!executor)
    return executor.takeError();

  execution::LinearObserver *outermost = &observer;
  std::optional<GatheringObserver> gathering;
  if (share.isShared() && shown == InputsShown::Whole)
    outermost = &gathering.emplace(observer, world);
  TokenMask mask = findTokenMask(function, samples);
  std::optional<TokenMaskObserver> masked;
  if (!mask.tokens.empty())
    outermost = &masked.emplace(*outermost, mask.slice(first, last));
  return (*executor)->run(samples.slice(first, last - first), outermost).takeError();
}

Value ptq::sharedInput(Value x) {
  while (Operation *op = x.getDefiningOp()) {
    if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op);
        collapse && !collapse.getReassociationIndices().empty() &&
        collapse.getReassociationIndices().back().size() == 1)
      x = collapse.getSrc();
    else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op);
             expand && !expand.getReassociationIndices().empty() &&
             expand.getReassociationIndices().back().size() == 1)
      x = expand.getSrc();
    else
      break;
  }
  return x;
}
