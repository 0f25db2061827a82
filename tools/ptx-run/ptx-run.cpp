// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a kernel of a PTX file on raw buffers, in the emulator or on a GPU: writes its outputs,
// tells what the checkers found and what was counted. Exit status: 0 clean, 2 findings, 1 an error.

#include "Arguments.h"
#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Emulator/SupportedInstructions.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <chrono>

using namespace ptq::emulator;
namespace cl = llvm::cl;
using llvm::StringRef;

static cl::OptionCategory category("ptx-run options");
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("FILE (.ptx)"), cl::cat(category));
static cl::list<std::string> argumentTexts(
    cl::Positional, cl::ZeroOrMore, cl::cat(category),
    cl::desc("ARGUMENT… (in:FILE, out:FILE:BYTES, inout:FILE, bytes:FILE, u32:7, f32:0.5, …)"));
static cl::opt<std::string> entry("entry", cl::cat(category), cl::value_desc("NAME"),
                                  cl::desc("The kernel; may be left out if there is only one"));
static cl::opt<std::string> gridText("grid", cl::init("1"), cl::cat(category),
                                     cl::value_desc("X[,Y[,Z]]"), cl::desc("Blocks"));
static cl::opt<std::string> blockText("block", cl::init("1"), cl::cat(category),
                                      cl::value_desc("X[,Y[,Z]]"), cl::desc("Threads of a block"));
static cl::opt<unsigned> sharedBytes("shared", cl::init(0), cl::cat(category),
                                     cl::value_desc("BYTES"), cl::desc("Dynamic shared memory"));
static cl::opt<uint64_t> seed("seed", cl::init(0), cl::cat(category), cl::value_desc("N"),
                              cl::desc("Order of warps and blocks (0: their own)"));
static cl::opt<unsigned> threads("host-threads", cl::init(2), cl::cat(category),
                                 cl::value_desc("N"), cl::desc("Host threads"));
static cl::opt<uint64_t> watchdog(
    "watchdog", cl::init(EmulatorOptions().watchdog), cl::cat(category), cl::value_desc("N"),
    cl::desc("Warp instructions without a barrier or the end of a block that are a deadlock"));
static cl::list<std::string>
    disabled("no-check", cl::CommaSeparated, cl::cat(category), cl::value_desc("CHECK"),
             cl::desc("Turn a checker off: races, bounds, misalignment, uninitialised, "
                      "divergent-barriers, deadlock"));
static cl::opt<std::string> jsonFile("json", cl::cat(category), cl::value_desc("F"),
                                     cl::desc("Write status, findings and counters here"));
static cl::opt<std::string> deviceName("device", cl::init("emulator"), cl::cat(category),
                                       cl::desc("emulator or cuda"));
static cl::opt<bool> listForms("list-instructions", cl::cat(category),
                               cl::desc("Print the supported instructions as Markdown"));

static llvm::Expected<Dim3> parseDim(StringRef option, StringRef text) {
  llvm::SmallVector<StringRef, 3> parts;
  text.split(parts, ',');
  uint32_t values[3] = {1, 1, 1};
  bool bad = parts.size() > 3;
  for (size_t index = 0; !bad && index != parts.size(); ++index)
    bad = parts[index].trim().getAsInteger(10, values[index]) || values[index] == 0;
  if (bad)
    return llvm::createStringError("--" + option + "=" + text + ": expected X[,Y[,Z]]");
  return Dim3{values[0], values[1], values[2]};
}

static llvm::Expected<std::unique_ptr<Device>> makeDevice() {
  EmulatorOptions options;
  options.seed = seed;
  options.threads = threads;
  options.watchdog = watchdog;
  for (const std::string &name : disabled) {
    auto check = parseCheck(name);
    if (!check || *check == Check::Trap)
      return llvm::createStringError("--no-check=" + name +
                                     ": expected races, bounds, misalignment, uninitialised, "
                                     "divergent-barriers or deadlock");
    options.disable(*check);
  }
  if (deviceName == "emulator")
    return createEmulator(options);
  if (deviceName == "cuda")
    return createCudaDevice();
  return llvm::createStringError("--device=" + deviceName + ": expected emulator or cuda");
}

static llvm::Expected<LaunchResult> run() {
  auto device = makeDevice();
  if (!device)
    return device.takeError();
  auto grid = parseDim("grid", gridText), block = parseDim("block", blockText);
  if (!grid || !block)
    return llvm::joinErrors(grid.takeError(), block.takeError());
  std::vector<Argument> arguments;
  for (const std::string &text : argumentTexts) {
    auto argument = parseArgument(text);
    if (!argument)
      return argument.takeError();
    arguments.push_back(std::move(*argument));
  }
  auto text = llvm::MemoryBuffer::getFile(inputFile);
  if (!text)
    return llvm::createStringError("cannot read '" + inputFile + "': " + text.getError().message());
  auto module = (*device)->load((*text)->getBuffer(), inputFile);
  if (!module)
    return module.takeError();
  std::string kernel = entry;
  if (kernel.empty()) {
    auto kernels = (*module)->kernels();
    if (kernels.size() != 1)
      return llvm::createStringError(
          "'" + inputFile + "' has " + llvm::Twine(kernels.size()) +
          " kernels: name one with --entry" +
          (kernels.empty() ? "" : " (" + llvm::join(kernels, ", ") + ")"));
    kernel = kernels.front();
  }
  std::vector<std::vector<char>> values;
  for (Argument &argument : arguments) {
    auto value = prepare(**device, argument);
    if (!value)
      return value.takeError();
    values.push_back(std::move(*value));
  }
  LaunchConfig config{*grid, *block, sharedBytes};
  auto result = (*device)->launch(**module, kernel, config, values);
  if (!result)
    return result.takeError();
  for (const Argument &argument : arguments)
    if (llvm::Error error = writeBack(**device, argument))
      return std::move(error);
  return result;
}

static llvm::Error writeJSON(StringRef status, const LaunchResult *result, StringRef message) {
  if (jsonFile.empty())
    return llvm::Error::success();
  llvm::json::Object object{{"status", status}};
  llvm::json::Array findings;
  if (result)
    for (const Finding &finding : result->findings)
      findings.push_back(toJSON(finding));
  object["findings"] = std::move(findings);
  object["counters"] = result && result->counters ? result->counters->toJSON()
                                                  : llvm::json::Value(llvm::json::Object());
  if (!message.empty())
    object["message"] = message;
  return ptq::checkpoint::writeFileAtomically(jsonFile, [&](llvm::raw_pwrite_stream &stream) {
    stream << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(object)));
    return llvm::Error::success();
  });
}

static void print(const LaunchResult &result, double seconds) {
  for (const Finding &finding : result.findings)
    llvm::outs() << describe(finding) << "\n";
  if (!result.counters)
    return;
  const KernelCounters &counters = *result.counters;
  llvm::outs() << llvm::formatv("{0}: {1} warp instructions, {2} barriers, {3} of {4} branches "
                                "divergent, {5:f3} s\n",
                                counters.kernel, counters.total.instructions, counters.barriers,
                                counters.divergentBranches, counters.branches, seconds);
  if (const MemoryCounters &global = counters.total.global; global.requests)
    llvm::outs() << llvm::formatv("global: {0} requests, {1} sectors (least {2}), {3} bytes\n",
                                  global.requests, global.sectors, global.idealSectors,
                                  global.bytes);
  if (const MemoryCounters &shared = counters.total.shared; shared.requests)
    llvm::outs() << llvm::formatv("shared: {0} requests, {1} wavefronts (least {2}), {3} bytes\n",
                                  shared.requests, shared.wavefronts, shared.idealWavefronts,
                                  shared.bytes);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Runs a kernel of a PTX file on raw buffers\n");
  if (listForms) {
    llvm::outs() << describeSupportedInstructions();
    return 0;
  }
  auto start = std::chrono::steady_clock::now();
  auto result =
      inputFile.empty() ? llvm::Expected<LaunchResult>(llvm::createStringError("no FILE")) : run();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::string message;
  if (!result)
    message = llvm::toString(result.takeError());
  StringRef status = !message.empty() ? "error" : result->findings.empty() ? "ok" : "finding";
  if (message.empty())
    print(*result, seconds);
  if (llvm::Error error = writeJSON(status, message.empty() ? &*result : nullptr, message))
    message += (message.empty() ? "" : "\n") + llvm::toString(std::move(error));
  if (!message.empty()) {
    llvm::errs() << "ptx-run: error: " << message << "\n";
    return 1;
  }
  return result->findings.empty() ? 0 : 2;
}
