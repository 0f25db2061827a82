// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fuzzer's target on the files of its corpus, each once: what a build without libFuzzer runs, so
// that every input that once failed stays a test.

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <set>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
  std::set<std::string> files;
  for (int i = 1; i < argc; ++i) {
    std::error_code code;
    for (llvm::sys::fs::directory_iterator entry(argv[i], code), end; entry != end && !code;
         entry.increment(code))
      files.insert(entry->path());
    if (code) {
      llvm::errs() << argv[i] << ": " << code.message() << "\n";
      return 1;
    }
  }
  for (const std::string &file : files) {
    auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!buffer) {
      llvm::errs() << file << ": " << buffer.getError().message() << "\n";
      return 1;
    }
    llvm::errs() << file << "\n"; // the last line before a crash names its cause
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>((*buffer)->getBufferStart()),
                           (*buffer)->getBufferSize());
  }
  if (files.empty())
    llvm::errs() << "no inputs\n";
  return files.empty();
}
