// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a model at any stage on samples: writes its outputs, compares them with a reference,
// measures perplexity.

#include "Model.h"
#include "Reference.h"
#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/MappedFileGuard.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"
#include "ptq/IR/PTQ.h"

#include "mlir/InitAllDialects.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Process.h"

#include <chrono>
#include <cmath>

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;
namespace cl = llvm::cl;

static cl::OptionCategory category("quant-run options");
static cl::opt<std::string> modelFile(cl::Positional, cl::Required,
                                      cl::desc("MODEL (.mlir, text or bytecode)"),
                                      cl::cat(category));
static cl::list<std::string>
    parameterFiles("parameters", cl::CommaSeparated, cl::cat(category), cl::value_desc("F[,F]"),
                   cl::desc("Checkpoint: safetensors, or a sharded one's index.json"));
static cl::opt<std::string>
    inputsFile("inputs", cl::cat(category), cl::value_desc("F"),
               cl::desc("Inputs (safetensors): shape S, or N×S for N samples"));
static cl::opt<std::string> outputsFile("outputs", cl::cat(category), cl::value_desc("F"),
                                        cl::desc("Write the outputs here (safetensors)"));
static cl::opt<std::string> functionName("function", cl::init("main"), cl::cat(category),
                                         cl::desc("Function to run"));
static cl::opt<std::string>
    referenceFile("reference", cl::cat(category), cl::value_desc("MODEL"),
                  cl::desc("Compare the outputs with this model's, or with tensors of a "
                           ".safetensors file"));
static cl::list<std::string> referenceParameters("reference-parameters", cl::CommaSeparated,
                                                 cl::cat(category), cl::value_desc("F[,F]"),
                                                 cl::desc("The reference model's checkpoint"));
static cl::opt<std::string>
    perplexityInput("perplexity", cl::cat(category), cl::value_desc("INPUT"),
                    cl::desc("Perplexity of the first output's logits on this input's ids"));
static cl::opt<int64_t> maxSamples("max-samples", cl::init(0), cl::cat(category),
                                   cl::desc("Run at most this many samples (0: all)"));
static cl::opt<std::string> jsonFile("json", cl::cat(category), cl::value_desc("F"),
                                     cl::desc("Write the results here"));
static cl::opt<std::string> device("device", cl::init("cpu"), cl::cat(category),
                                   cl::desc("cpu, emulator or cuda"));
static cl::opt<std::string>
    chip("chip", cl::init("sm_80"), cl::cat(category),
         cl::desc("The chip that kernels are made for: sm_80, sm_86, sm_89 or sm_90a"));

/// Outputs of the samples that are in memory at a time stay below this.
static constexpr int64_t chunkBytes = 256 << 20;
static constexpr int64_t chunkLimit = 64;

namespace {
class Run {
public:
  llvm::Error run();

private:
  llvm::Error open();
  llvm::Error openReference();
  int64_t chunkSize() const;
  llvm::Error consume(int64_t first, const Outputs &outputs);
  llvm::Error writeOutputs();
  llvm::Error writeResults();
  void printResults();
  void printStatistics(const ExecutorStatistics &statistics);

  MLIRContext context;
  std::shared_ptr<const checkpoint::Checkpoint> inputs;
  std::shared_ptr<KernelCache> kernels = std::make_shared<KernelCache>();
  /// Null for the CPU.
  std::unique_ptr<emulator::Device> gpu;
  std::unique_ptr<Model> model;
  std::optional<Reference> reference;
  std::vector<std::string> names;
  std::optional<unsigned> idsArgument;
  Perplexity perplexity;
  int64_t sampleCount = 0;
  double seconds = 0;
  /// Outputs of all samples so far, if they are to be written.
  std::vector<std::vector<char>> written;
  std::vector<RankedTensorType> writtenTypes;
};
} // namespace

llvm::Error Run::openReference() {
  if (referenceFile.empty())
    return llvm::Error::success();
  if (StringRef(referenceFile).ends_with(".safetensors")) {
    auto file = checkpoint::Checkpoint::open({referenceFile.getValue()});
    if (!file)
      return file.takeError();
    reference.emplace(std::move(*file));
    return llvm::Error::success();
  }
  auto opened =
      Model::open(context, referenceFile, functionName, referenceParameters, inputs, kernels);
  if (!opened)
    return opened.takeError();
  reference.emplace(std::move(*opened));
  return llvm::Error::success();
}

llvm::Error Run::open() {
  if (device != "cpu" && device != "emulator" && device != "cuda")
    return llvm::createStringError("there is no device '" + device +
                                   "'; there are cpu, emulator and cuda");
  if (device == "emulator")
    gpu = emulator::createEmulator();
  if (device == "cuda") {
    auto opened = emulator::createCudaDevice();
    if (!opened)
      return opened.takeError();
    gpu = std::move(*opened);
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  registry.insert<PTQDialect>();
  context.appendDialectRegistry(registry);
  if (!inputsFile.empty()) {
    auto opened = checkpoint::Checkpoint::open({inputsFile.getValue()});
    if (!opened)
      return opened.takeError();
    inputs = std::move(*opened);
  }
  auto opened =
      gpu ? Model::openOnDevice(context, modelFile, functionName, parameterFiles, inputs, *gpu,
                                chip)
          : Model::open(context, modelFile, functionName, parameterFiles, inputs, kernels);
  if (!opened)
    return opened.takeError();
  model = std::move(*opened);
  names = model->outputNames();
  sampleCount = model->samples().size();
  if (maxSamples < 0)
    return llvm::createStringError("max-samples is a count, 0 for all, not " +
                                   llvm::Twine(maxSamples.getValue()));
  if (maxSamples > 0)
    sampleCount = std::min<int64_t>(sampleCount, maxSamples);
  if (sampleCount == 0)
    return llvm::createStringError("'" + inputsFile + "' holds no samples");
  if (!perplexityInput.empty()) {
    idsArgument = model->findArgument(perplexityInput);
    if (!idsArgument)
      return llvm::createStringError("the model has no input '" + perplexityInput +
                                     "' for --perplexity");
    if (names.empty())
      return llvm::createStringError("the model has no output for --perplexity");
  }
  return openReference();
}

int64_t Run::chunkSize() const {
  int64_t bytes = 1;
  for (Type type : model->outputTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape())
      return 8;
    bytes += tensor.getNumElements() * elementBytes(tensor.getElementType()).value_or(8);
  }
  return std::clamp<int64_t>(chunkBytes / bytes, 1, chunkLimit);
}

llvm::Error Run::consume(int64_t first, const Outputs &outputs) {
  if (reference)
    if (llvm::Error error =
            reference->compare(first, {model->samples().size(), sampleCount}, names, outputs))
      return error;
  for (auto [index, sample] : llvm::enumerate(outputs)) {
    if (idsArgument)
      if (llvm::Error error =
              perplexity.add(sample.front(), model->samples().sample(first + index)[*idsArgument]))
        return error;
    if (outputsFile.empty())
      continue;
    written.resize(sample.size());
    writtenTypes.resize(sample.size());
    for (auto [tensor, bytes, type] : llvm::zip(sample, written, writtenTypes)) {
      if (type && type != tensor.type)
        return llvm::createStringError(
            "samples have outputs of different shapes, which cannot be stacked");
      type = tensor.type;
      bytes.insert(bytes.end(), tensor.data, tensor.data + tensor.numBytes());
    }
  }
  return llvm::Error::success();
}

llvm::Error Run::writeOutputs() {
  std::vector<checkpoint::TensorEntry> entries;
  for (auto [name, bytes, type] : llvm::zip(names, written, writtenTypes)) {
    auto dtype = getDType(type.getElementType());
    if (!dtype)
      return llvm::createStringError("output '" + name +
                                     "' has an element type that safetensors does not have");
    llvm::SmallVector<int64_t, 4> shape(type.getShape());
    if (model->samples().isStacked())
      shape.insert(shape.begin(), sampleCount);
    entries.push_back({name, *dtype, shape, bytes});
  }
  return checkpoint::writeSafetensors(outputsFile, entries);
}

/// JSON has no infinity. Outputs that equal their reference have a ratio beyond any that
/// differences of numbers give: 1000 dB stand for it, −1000 dB for a reference of zeros.
static double decibels(double value) {
  return std::isinf(value) ? std::copysign(1000, value) : value;
}

static llvm::json::Value number(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
}

llvm::Error Run::writeResults() {
  llvm::json::Object outputs;
  if (reference)
    for (const Reference::Result &result : reference->results())
      outputs[result.name] =
          llvm::json::Object{{"sqnr_db", number(decibels(result.comparison.sqnr()))},
                             {"cosine", number(result.comparison.cosine())},
                             {"max_abs_error", number(result.comparison.maxAbsError())},
                             {"relative_max_error", number(result.comparison.relativeMaxError())}};
  llvm::json::Object results{
      {"samples", sampleCount}, {"seconds", seconds}, {"outputs", std::move(outputs)}};
  if (const ExecutorStatistics *statistics = model->statistics()) {
    results["kernels"] = statistics->kernelsCompiled;
    results["compile_seconds"] = statistics->compileSeconds;
  }
  if (const DeviceStatistics *statistics = model->deviceStatistics()) {
    results["launches"] = statistics->launches;
    results["warp_instructions"] = statistics->warpInstructions;
  }
  if (idsArgument)
    results["perplexity"] = number(perplexity.value());
  return checkpoint::writeFileAtomically(jsonFile, [&](llvm::raw_pwrite_stream &stream) {
    stream << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(results)));
    return llvm::Error::success();
  });
}

void Run::printStatistics(const ExecutorStatistics &statistics) {
  llvm::outs() << llvm::formatv("{0} samples in {1:f2} s (of it {2:f2} s compiling {3} kernels)\n",
                                sampleCount, seconds, statistics.compileSeconds,
                                statistics.kernelsCompiled);
  for (const auto &[name, time] : statistics.profile)
    llvm::outs() << llvm::formatv("  {1,8:f3} {0,-28} s\n", name, time);
  if (!statistics.profile.empty())
    llvm::outs() << llvm::formatv(
        "  linear {0:f3} s, segments {1:f3} s, plan {2:f3} s, {3} steps, {4} nodes\n",
        statistics.linearSeconds, statistics.segmentSeconds, statistics.planSeconds,
        statistics.steps, statistics.operations);
}

void Run::printResults() {
  if (const ExecutorStatistics *statistics = model->statistics())
    printStatistics(*statistics);
  if (const DeviceStatistics *statistics = model->deviceStatistics())
    llvm::outs() << llvm::formatv("{0} samples in {1:f2} s: {2} launches, {3} warp instructions\n",
                                  sampleCount, seconds, statistics->launches,
                                  statistics->warpInstructions);
  if (reference) {
    llvm::outs() << llvm::formatv("{0,-24} {1,10} {2,12} {3,14} {4,14}\n", "output", "SQNR dB",
                                  "cosine", "max abs error", "relative");
    for (const Reference::Result &result : reference->results())
      llvm::outs() << llvm::format("%-24s %10.2f %12.8f %14.4g %14.4g\n", result.name.c_str(),
                                   result.comparison.sqnr(), result.comparison.cosine(),
                                   result.comparison.maxAbsError(),
                                   result.comparison.relativeMaxError());
  }
  if (idsArgument)
    llvm::outs() << llvm::formatv("perplexity {0:f4} over {1} tokens\n", perplexity.value(),
                                  perplexity.tokens());
}

llvm::Error Run::run() {
  if (llvm::Error error = open())
    return error;
  bool progress = llvm::sys::Process::StandardErrIsDisplayed();
  int64_t chunk = chunkSize();
  for (int64_t first = 0; first < sampleCount; first += chunk) {
    if (progress)
      llvm::errs() << "\rsample " << first << "/" << sampleCount << " ";
    auto start = std::chrono::steady_clock::now();
    auto outputs = model->run(first, std::min(chunk, sampleCount - first));
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!outputs)
      return outputs.takeError();
    if (llvm::Error error = consume(first, *outputs))
      return error;
  }
  if (progress)
    llvm::errs() << "\r\033[K";
  if (!outputsFile.empty())
    if (llvm::Error error = writeOutputs())
      return error;
  if (!jsonFile.empty())
    if (llvm::Error error = writeResults())
      return error;
  printResults();
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  checkpoint::installMappedFileGuard();
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Runs a model on samples, at any stage of quantization\n");
  if (llvm::Error error = Run().run()) {
    llvm::errs() << "quant-run: error: " << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
