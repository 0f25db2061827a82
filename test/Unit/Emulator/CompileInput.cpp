// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Run.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"

using namespace ptq::emulator;
using llvm::StringRef;

std::string ptq::emulator::compileInput(StringRef name) {
  auto nvcc = llvm::sys::findProgramByName("nvcc");
  if (!nvcc)
    nvcc = llvm::sys::findProgramByName("nvcc", {"/usr/local/cuda/bin"});
  if (!nvcc)
    return readInput((name + ".ptx").str());
  // "… generated from this file: nvcc FLAGS NAME.cu -o NAME.ptx"
  std::string source = readInput((name + ".cu").str());
  StringRef flags = StringRef(source).split("nvcc ").second.split((" " + name + ".cu").str()).first;
  std::string file = std::string(PTQ_EMULATOR_INPUTS) + "/" + name.str() + ".cu";
  llvm::SmallString<128> output;
  llvm::sys::fs::createTemporaryFile(name, "ptx", output);
  llvm::FileRemover remover(output);
  llvm::SmallVector<StringRef> arguments = {*nvcc};
  flags.split(arguments, ' ', -1, false);
  arguments.append({file, "-o", output});
  std::string message;
  int status = llvm::sys::ExecuteAndWait(*nvcc, arguments, std::nullopt, {}, 0, 0, &message);
  EXPECT_EQ(status, 0) << "nvcc: " << message;
  auto text = llvm::MemoryBuffer::getFile(output);
  return status == 0 && text ? (*text)->getBuffer().str() : readInput((name + ".ptx").str());
}
