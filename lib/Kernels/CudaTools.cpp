// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CudaTools.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <optional>

using namespace ptq::kernels;
using llvm::StringRef;

std::string ptq::kernels::findCudaTool(StringRef name) {
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName(name))
    return *found;
  std::string home;
  llvm::SmallVector<StringRef> folders;
  if (const char *value = std::getenv("CUDA_HOME")) {
    home = std::string(value) + "/bin";
    folders.push_back(home);
  }
  folders.push_back("/usr/local/cuda/bin");
  llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName(name, folders);
  return found ? *found : std::string();
}

llvm::Expected<TemporaryFile> TemporaryFile::create(StringRef suffix, StringRef tool) {
  TemporaryFile file;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("kernel", suffix, file.path))
    return llvm::createStringError(error, "cannot create a temporary file for " + tool);
  return file;
}

TemporaryFile::~TemporaryFile() {
  if (!path.empty())
    llvm::sys::fs::remove(path);
}

llvm::Error TemporaryFile::write(StringRef content) const {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error) {
    stream << content;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  if (error)
    return llvm::createStringError(error, "cannot write " + path);
  return llvm::Error::success();
}

llvm::Expected<std::string> TemporaryFile::read() const {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(), "cannot read " + path);
  return (*buffer)->getBuffer().str();
}

llvm::Expected<std::string> ptq::kernels::runCudaTool(StringRef name,
                                                      llvm::ArrayRef<std::string> arguments) {
  std::string program = findCudaTool(name);
  if (program.empty())
    return llvm::createStringError(
        name + " not found on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin; install the CUDA "
               "toolkit, or ask for format=ptx");
  llvm::Expected<TemporaryFile> log = TemporaryFile::create("log", name);
  if (!log)
    return log.takeError();
  llvm::SmallVector<StringRef> command{program};
  command.append(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {std::nullopt, log->name(), log->name()};
  std::string message;
  int status = llvm::sys::ExecuteAndWait(program, command, std::nullopt, redirects, 0, 0, &message);
  llvm::Expected<std::string> said = log->read();
  if (!said)
    return said.takeError();
  if (status != 0)
    return llvm::createStringError(name + " failed: " + message + *said);
  return said;
}
