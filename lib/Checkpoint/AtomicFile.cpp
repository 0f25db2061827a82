// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The temporary lies in the target's folder, since a rename is atomic only within one file system.
//
#include "ptq/Checkpoint/AtomicFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

using namespace llvm;

namespace ptq::checkpoint {
namespace {

Error failure(StringRef path, std::error_code code, StringRef remedy) {
  return createStringError(code, "cannot write '" + path + "': " + code.message() + "; " + remedy);
}

constexpr StringLiteral checkFolder = "check that the folder exists and may be written to";
constexpr StringLiteral checkSpace =
    "check that the disk has room; what was at this path before is unchanged";

/// fsync, where what `fd` is open on has it.
std::error_code synchronize(int fd) {
  while (::fsync(fd) != 0)
    if (errno != EINTR)
      return errno == EINVAL || errno == ENOTSUP ? std::error_code() : errnoAsErrorCode();
  return {};
}

/// Runs `write` on `fd`. A raw_fd_ostream whose error is not cleared would abort the process when
/// destroyed.
Error writeTo(int fd, StringRef path, function_ref<Error(raw_pwrite_stream &)> write) {
  raw_fd_ostream stream(fd, /*shouldClose=*/false);
  Error error = write(stream);
  stream.flush();
  std::error_code code = stream.error();
  stream.clear_error();
  if (!error && !code)
    code = synchronize(fd);
  if (error)
    return error;
  return code ? failure(path, code, checkSpace) : Error::success();
}

Error writeDirectly(StringRef path, function_ref<Error(raw_pwrite_stream &)> write) {
  int fd;
  if (std::error_code code = sys::fs::openFileForWrite(path, fd, sys::fs::CD_OpenExisting))
    return failure(path, code, checkFolder);
  Error error = writeTo(fd, path, write);
  sys::fs::file_t file = sys::fs::convertFDToNativeFile(fd);
  if (std::error_code code = sys::fs::closeFile(file); code && !error)
    return failure(path, code, checkSpace);
  return error;
}

} // namespace

Error synchronizeToDisk(StringRef path) {
  std::string name = path.empty() ? "." : path.str();
  int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  std::error_code code = fd < 0 ? errnoAsErrorCode() : synchronize(fd);
  if (fd >= 0)
    ::close(fd);
  return code ? failure(path, code, "check the disk") : Error::success();
}

Error writeFileAtomically(StringRef path, function_ref<Error(raw_pwrite_stream &)> write) {
  if (path.empty())
    return createStringError("cannot write a file without a name; give a path");

  sys::fs::file_status status;
  bool exists = !sys::fs::status(path, status);
  if (exists && status.type() == sys::fs::file_type::directory_file)
    return createStringError("cannot write '" + path + "': it is a folder; name a file in it");
  if (exists && status.type() != sys::fs::file_type::regular_file)
    return writeDirectly(path, write);

  SmallString<256> target(path);
  if (exists && sys::fs::is_symlink_file(path))
    if (std::error_code code = sys::fs::real_path(path, target))
      return failure(path, code, "check where the link leads");

  SmallString<256> model(sys::path::parent_path(target));
  sys::path::append(model, ".ptq-%%%%%%%%%%%%.tmp");
  Expected<sys::fs::TempFile> temporary = sys::fs::TempFile::create(model);
  if (!temporary)
    return failure(path, errorToErrorCode(temporary.takeError()), checkFolder);

  Error error = writeTo(temporary->FD, path, write);
  if (!error && exists)
    if (std::error_code code = sys::fs::setPermissions(temporary->FD, status.permissions()))
      error = failure(path, code, checkFolder);
  if (error)
    return joinErrors(std::move(error), temporary->discard());
  // Not keep(target): where it cannot rename it copies, and a copy can end half-way.
  std::string name = temporary->TmpName;
  if (Error kept = temporary->keep())
    return failure(path, errorToErrorCode(std::move(kept)), checkFolder);
  if (std::error_code code = sys::fs::rename(name, target)) {
    (void)sys::fs::remove(name);
    return failure(path, code, checkFolder);
  }
  return synchronizeToDisk(sys::path::parent_path(target));
}

} // namespace ptq::checkpoint
