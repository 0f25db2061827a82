// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Execution/Executor.h"
#include "KernelExtraction.h"
#include "Plan.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/Threads.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <chrono>
#include <ctime>
#include <map>
#include <mutex>

using namespace mlir;

namespace ptq::execution {

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// CPU time of this thread: what a kernel costs on a busy machine, too.
static double threadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

using PlanKey = std::pair<std::vector<bool>, std::vector<bool>>;

struct Executor::Implementation {
  func::FuncOp function;
  ExecutorOptions options;
  ExecutorStatistics statistics;
  ValueTable values;
  Observation observation;
  std::vector<Operation *> linears;
  std::map<PlanKey, std::unique_ptr<Plan>> plans;
  BufferPool pool;
  bool isProfiled = getenv("PTQ_EXECUTION_PROFILE") != nullptr;
  std::map<std::string, double> profile;
  std::mutex profileMutex;

  llvm::Error checkSamples(ArrayRef<std::vector<Tensor>> samples);
  llvm::Expected<Plan *> getPlan(ArrayRef<std::vector<Tensor>> samples, LinearObserver *observer);
  llvm::Error compileKernels(Plan &plan);

  llvm::Error runStep(const Step &step, ArrayRef<Frame *> frames);
  llvm::Error runByBlock(Node &node, ArrayRef<Frame *> frames);
  llvm::Error runNodes(const Step &step, ArrayRef<Frame *> frames);
};

llvm::Error Executor::Implementation::checkSamples(ArrayRef<std::vector<Tensor>> samples) {
  std::string name = function.getName().str();
  if (samples.empty())
    return llvm::createStringError("there are no samples to run '" + name + "' on");
  for (auto [s, sample] : llvm::enumerate(samples)) {
    if (sample.size() != function.getNumArguments())
      return llvm::createStringError("'" + name + "' takes " + Twine(function.getNumArguments()) +
                                     " arguments, sample " + Twine(s) + " has " +
                                     Twine(sample.size()));
    for (auto [a, tensor] : llvm::enumerate(sample)) {
      auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[a]);
      bool fits = type && tensor.type && tensor.type.hasStaticShape() &&
                  type.getElementType() == tensor.type.getElementType() &&
                  type.getRank() == tensor.type.getRank();
      for (int64_t d = 0; fits && d != type.getRank(); ++d)
        fits = type.isDynamicDim(d) || type.getDimSize(d) == tensor.type.getDimSize(d);
      if (fits && (tensor.data || tensor.numElements() == 0))
        continue;
      std::string message;
      llvm::raw_string_ostream(message)
          << "argument " << a << " of '" << name << "' has type " << function.getArgumentTypes()[a]
          << ", sample " << s << " gives " << tensor.type;
      return llvm::createStringError(message);
    }
  }
  return llvm::Error::success();
}

std::vector<bool> findInvariantArguments(func::FuncOp function,
                                         ArrayRef<std::vector<Tensor>> samples) {
  std::vector<bool> invariant(function.getNumArguments());
  for (size_t a = 0; a != invariant.size(); ++a) {
    const Tensor &first = samples.front()[a];
    bool same = samples.size() > 1 && llvm::all_of(samples, [&](const std::vector<Tensor> &sample) {
                  return sample[a].data == first.data && sample[a].type == first.type;
                });
    invariant[a] = same || function.getArgAttr(a, "ptq.parameter");
  }
  return invariant;
}

llvm::Expected<Plan *> Executor::Implementation::getPlan(ArrayRef<std::vector<Tensor>> samples,
                                                         LinearObserver *observer) {
  PlanRequest request;
  request.invariantArguments = options.blocks.invariantArguments;
  if (request.invariantArguments.empty())
    request.invariantArguments = findInvariantArguments(function, samples);
  request.stopAfterLastLinear = options.stopAfterLastLinear && observer;
  std::vector<bool> wanted(linears.size());
  for (auto [i, linear] : llvm::enumerate(linears))
    if (observer && observer->wants(linear)) {
      wanted[i] = true;
      request.wanted.insert(linear);
    }
  wanted.push_back(request.stopAfterLastLinear);
  std::unique_ptr<Plan> &plan = plans[{request.invariantArguments, wanted}];
  if (plan)
    return plan.get();
  double start = now();
  auto made = makePlan(function, request, values, observation);
  if (!made)
    return made.takeError();
  statistics.planSeconds += now() - start;
  start = now();
  if (llvm::Error error = compileKernels(**made))
    return std::move(error);
  statistics.compileSeconds += now() - start;
  plan = std::move(*made);
  return plan.get();
}

llvm::Error Executor::Implementation::compileKernels(Plan &plan) {
  if (!options.kernels)
    options.kernels = std::make_shared<KernelCache>();
  std::vector<StringRef> texts;
  for (KernelNode *kernel : plan.kernels)
    texts.push_back(kernel->text());
  auto compiled = options.kernels->compile(texts, [&](size_t index) {
    Operation *op = plan.kernels[index]->op;
    return describe(op->getLoc()) + "'" + op->getName().getStringRef().str() + "':";
  });
  if (!compiled)
    return compiled.takeError();
  statistics.kernelsCompiled += *compiled;
  for (KernelNode *kernel : plan.kernels)
    kernel->setFunction(options.kernels->lookup(kernel->text()));
  return llvm::Error::success();
}

static llvm::Error nameSample(llvm::Error error, size_t sample, size_t count) {
  if (count == 1 && sample == 0)
    return error;
  return llvm::createStringError("sample " + Twine(sample) + ": " +
                                 llvm::toString(std::move(error)));
}

llvm::Error Executor::Implementation::runByBlock(Node &node, ArrayRef<Frame *> frames) {
  int64_t first = 0;
  for (int64_t last : observation.blocks->ends) {
    if (llvm::Error error = node.run(frames.slice(first, last - first)))
      return error;
    first = last;
  }
  return llvm::Error::success();
}

llvm::Error Executor::Implementation::runNodes(const Step &step, ArrayRef<Frame *> frames) {
  for (auto [node, releases] : llvm::zip(step.nodes, step.releases)) {
    double start = isProfiled ? threadSeconds() : 0;
    // Layers see all samples, and keep to blocks themselves.
    bool byBlock = step.kind == Step::Kind::Together && !dynamic_cast<LayerNode *>(node);
    if (llvm::Error error = byBlock ? runByBlock(*node, frames) : node->run(frames))
      return error;
    for (Frame *frame : frames)
      for (ValueId id : releases)
        frame->release(id);
    if (isProfiled) {
      double seconds = threadSeconds() - start;
      std::lock_guard lock(profileMutex);
      profile[node->name()] += seconds;
    }
  }
  return llvm::Error::success();
}

llvm::Error Executor::Implementation::runStep(const Step &step, ArrayRef<Frame *> frames) {
  if (step.kind == Step::Kind::Once)
    return runNodes(step, frames.take_front());
  if (step.kind == Step::Kind::Together)
    return runNodes(step, frames);
  for (auto [id, type] : step.batchOutputs) {
    int64_t bytes = type.getNumElements() * *elementBytes(type.getElementType());
    std::shared_ptr<char> buffer = pool.allocate(bytes * frames.size());
    for (auto [i, frame] : llvm::enumerate(frames))
      frame->setDestination(id, std::shared_ptr<char>(buffer, buffer.get() + i * bytes));
  }
  // A context without threading does not lock its types and attributes, which nodes of dynamic
  // shape make.
  if (frames.size() == 1 || !function.getContext()->isMultithreadingEnabled()) {
    for (size_t i = 0; i != frames.size(); ++i)
      if (llvm::Error error = runNodes(step, frames.slice(i, 1)))
        return nameSample(std::move(error), options.blocks.firstSample + i, frames.size());
    return llvm::Error::success();
  }
  numerics::SingleThreadedBlas guard;
  std::vector<std::optional<llvm::Error>> errors(frames.size());
  numerics::parallelFor(0, frames.size(), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i != last; ++i)
      errors[i].emplace(runNodes(step, frames.slice(i, 1)));
  });
  // The first sample's error is reported, whichever came first.
  llvm::Error result = llvm::Error::success();
  for (auto [i, error] : llvm::enumerate(errors))
    if (!*error)
      continue;
    else if (!result)
      result = nameSample(std::move(*error), options.blocks.firstSample + i, frames.size());
    else
      llvm::consumeError(std::move(*error));
  return result;
}

llvm::Expected<std::unique_ptr<Executor>> Executor::create(func::FuncOp function,
                                                           ExecutorOptions options) {
  // Kernels are extracted with operations of these dialects; nearly every function has loaded them.
  function.getContext()->loadDialect<arith::ArithDialect, tensor::TensorDialect>();
  if (llvm::Error error = checkExecutable(function))
    return std::move(error);
  auto implementation = std::make_unique<Implementation>();
  implementation->function = function;
  implementation->options = std::move(options);
  for (Operation &op : function.front())
    if (isa<LinearOp, WeightOnlyLinearOp>(op))
      implementation->linears.push_back(&op);
  return std::unique_ptr<Executor>(new Executor(std::move(implementation)));
}

Executor::Executor(std::unique_ptr<Implementation> implementation)
    : implementation(std::move(implementation)) {}
Executor::~Executor() = default;

llvm::Expected<std::vector<std::vector<Tensor>>>
Executor::run(ArrayRef<std::vector<Tensor>> samples, LinearObserver *observer) {
  Implementation &impl = *implementation;
  if (llvm::Error error = impl.checkSamples(samples))
    return std::move(error);
  auto planned = impl.getPlan(samples, observer);
  if (!planned)
    return planned.takeError();
  Plan &plan = **planned;
  impl.statistics.steps = plan.steps.size();
  impl.statistics.operations = plan.nodes.size();
  SampleBlocks blocks = impl.options.blocks;
  if (blocks.ends.empty())
    blocks.ends.push_back(samples.size());
  if (blocks.ends.back() != static_cast<int64_t>(samples.size()))
    return llvm::createStringError("the blocks of samples end at " + Twine(blocks.ends.back()) +
                                   ", there are " + Twine(samples.size()));
  impl.observation = {observer, &blocks, 0};

  std::vector<Slot> shared(impl.values.size());
  std::vector<Frame> storage;
  storage.reserve(samples.size());
  std::vector<Frame *> frames;
  for (const std::vector<Tensor> &sample : samples) {
    storage.emplace_back(impl.values.size(), plan.invariant, shared, impl.pool);
    frames.push_back(&storage.back());
    for (auto [argument, tensor] : llvm::zip(impl.function.getArguments(), sample)) {
      ValueId id = impl.values.id(argument);
      if (!plan.invariant[id] || frames.size() == 1)
        frames.back()->setTensor(id, tensor);
    }
  }

  for (const Step &step : plan.steps) {
    double start = now(), observed = impl.observation.seconds;
    if (llvm::Error error = impl.runStep(step, frames))
      return std::move(error);
    double seconds = now() - start - (impl.observation.seconds - observed);
    (step.kind == Step::Kind::Together ? impl.statistics.linearSeconds
                                       : impl.statistics.segmentSeconds) += seconds;
  }
  impl.statistics.observerSeconds += impl.observation.seconds;
  impl.statistics.profile.assign(impl.profile.begin(), impl.profile.end());

  std::vector<std::vector<Tensor>> results(samples.size());
  if (!(impl.options.stopAfterLastLinear && observer))
    for (auto [frame, result] : llvm::zip(frames, results))
      for (Value value : impl.function.front().getTerminator()->getOperands())
        result.push_back(frame->written(impl.values.id(value)));
  impl.pool.trim();
  return results;
}

const ExecutorStatistics &Executor::statistics() const { return implementation->statistics; }

} // namespace ptq::execution
