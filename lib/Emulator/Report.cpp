// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Emulator/Report.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace ptq::emulator;
using llvm::StringRef;

static constexpr llvm::StringLiteral checkNames[numChecks] = {
    "races", "bounds", "misalignment", "uninitialised", "divergent-barriers", "deadlock", "trap"};

StringRef ptq::emulator::checkName(Check check) { return checkNames[static_cast<unsigned>(check)]; }

std::optional<Check> ptq::emulator::parseCheck(StringRef name) {
  if (name == "uninitialized")
    return Check::Uninitialised;
  for (unsigned index = 0; index != numChecks; ++index)
    if (checkNames[index] == name)
      return static_cast<Check>(index);
  return std::nullopt;
}

void MemoryCounters::operator+=(const MemoryCounters &other) {
  requests += other.requests;
  sectors += other.sectors;
  idealSectors += other.idealSectors;
  wavefronts += other.wavefronts;
  idealWavefronts += other.idealWavefronts;
  bytes += other.bytes;
}

void InstructionCounters::operator+=(const InstructionCounters &other) {
  instructions += other.instructions;
  threadInstructions += other.threadInstructions;
  global += other.global;
  shared += other.shared;
}

static llvm::json::Array toArray(const Dim3 &dim) { return llvm::json::Array{dim.x, dim.y, dim.z}; }

static void addCounters(llvm::json::Object &object, const InstructionCounters &counters) {
  object["instructions"] = counters.instructions;
  object["thread_instructions"] = counters.threadInstructions;
  if (counters.global.requests)
    object["global"] = llvm::json::Object{
        {"requests", counters.global.requests},          {"sectors", counters.global.sectors},
        {"ideal_sectors", counters.global.idealSectors}, {"bytes", counters.global.bytes},
        {"sector_bytes", counters.global.sectors * 32},
    };
  if (counters.shared.requests)
    object["shared"] = llvm::json::Object{
        {"requests", counters.shared.requests},
        {"wavefronts", counters.shared.wavefronts},
        {"ideal_wavefronts", counters.shared.idealWavefronts},
        {"bytes", counters.shared.bytes},
    };
}

llvm::json::Value KernelCounters::toJSON() const {
  llvm::json::Object result{{"kernel", kernel},
                            {"barriers", barriers},
                            {"branches", branches},
                            {"divergent_branches", divergentBranches}};
  addCounters(result, total);
  llvm::json::Array blockArray;
  for (const BlockCounters &block : blocks) {
    llvm::json::Object object{{"function", block.function},
                              {"label", block.label},
                              {"line", block.line},
                              {"executions", block.executions}};
    addCounters(object, block.counters);
    blockArray.push_back(std::move(object));
  }
  result["blocks"] = std::move(blockArray);
  llvm::json::Object opcodeObject;
  for (const auto &[name, counters] : opcodes) {
    llvm::json::Object object;
    addCounters(object, counters);
    opcodeObject[name] = std::move(object);
  }
  result["opcodes"] = std::move(opcodeObject);
  return result;
}

llvm::json::Value ptq::emulator::toJSON(const Finding &finding) {
  return llvm::json::Object{
      {"kind", checkName(finding.check)},
      {"kernel", finding.kernel},
      {"line", finding.line},
      {"block", toArray(finding.block)},
      {"thread", toArray(finding.thread)},
      {"address", finding.address},
      {"message", finding.message},
      {"count", finding.count},
  };
}

std::string ptq::emulator::describe(const Finding &finding) {
  std::string times =
      finding.count > 1 ? llvm::formatv(" ({0} times)", finding.count).str() : std::string();
  return llvm::formatv(
      "{0}: kernel '{1}', line {2}, block ({3}, {4}, {5}), thread ({6}, {7}, {8}), "
      "address {9:x}: {10}{11}",
      checkName(finding.check), finding.kernel, finding.line, finding.block.x, finding.block.y,
      finding.block.z, finding.thread.x, finding.thread.y, finding.thread.z, finding.address,
      finding.message, times);
}
