// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Distributed/MpiSession.h"

#include "ptq/Distributed/Communicator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

using namespace llvm;

namespace ptq::distributed {
namespace {

/// How long a rank that failed waits for the others to fail, too.
constexpr double graceSeconds = 3;

class MpiCommunicator : public Communicator {
public:
  explicit MpiCommunicator(const PTQMpiModule &module) : module(module) {}

  int rank() const override { return module.rank; }
  int size() const override { return module.size; }
  Error send(ArrayRef<char> data, int to) override {
    return check(module.send(data.data(), data.size(), to), "sending to rank " + Twine(to));
  }
  Error receive(MutableArrayRef<char> data, int from) override {
    return check(module.receive(data.data(), data.size(), from),
                 "receiving from rank " + Twine(from));
  }
  Error broadcast(MutableArrayRef<char> data, int root) override {
    return check(module.broadcast(data.data(), data.size(), root),
                 "taking part in a broadcast of rank " + Twine(root));
  }

private:
  Error check(int code, const Twine &what) const {
    if (code == 0)
      return Error::success();
    char text[512];
    module.describe(code, text, sizeof(text));
    return createStringError("MPI: rank " + Twine(module.rank) + " failed in " + what + ": " +
                             text);
  }

  PTQMpiModule module;
};

} // namespace

bool isStartedByMpi() {
  // Open MPI; MPICH, Intel MPI and Slurm's PMI; PMIx.
  return any_of(ArrayRef{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"},
                [](const char *name) { return std::getenv(name) != nullptr; });
}

Expected<std::unique_ptr<MpiSession>> MpiSession::start(ArrayRef<std::string> modules,
                                                        StringRef machine) {
  const auto *path = find_if(modules, [](StringRef path) { return sys::fs::exists(path); });
  if (path == modules.end())
    return createStringError(
        "it was started by mpirun, but was built without MPI: there is no '" + modules.front() +
        "'. Build it where MPI's development files are (on Debian: libopenmpi-dev), or start it "
        "without mpirun");
  std::string message;
  sys::DynamicLibrary library = sys::DynamicLibrary::getPermanentLibrary(path->c_str(), &message);
  if (!library.isValid())
    return createStringError("'" + *path + "' cannot be loaded: " + message +
                             "; install the MPI it was built with, or start without mpirun");
  auto startMpi = reinterpret_cast<PTQStartMpi>(library.getAddressOfSymbol("ptqStartMpi"));
  PTQMpiModule module;
  if (!startMpi || startMpi(&module) != 0)
    return createStringError("'" + *path + "': MPI could not be started");
  std::unique_ptr<MpiSession> session(new MpiSession(module));
  Communicator::setWorld(std::make_unique<MpiCommunicator>(module));
  if (module.rank != 0)
    session->silence();
  if (Error error = session->checkMachines(machine)) {
    // All ranks find the same, and the first one tells.
    std::string text = toString(std::move(error));
    session->finish(1);
    return createStringError(text);
  }
  return session;
}

Error MpiSession::checkMachines(StringRef machine) const {
  auto all = Communicator::world().gather((machine + "\n" + module.host).str());
  if (!all)
    return all.takeError();
  auto [first, firstHost] = StringRef(all->front()).split('\n');
  for (const auto &[rank, text] : enumerate(*all)) {
    auto [other, host] = StringRef(text).split('\n');
    if (other != first)
      return createStringError(
          "rank " + Twine(rank) + " (" + host + ") computes with " + other + ", rank 0 (" +
          firstHost + ") with " + first +
          ": results would depend on who computed what. Start it on machines of one kind, and with "
          "as many cores for each rank (mpirun --bind-to none, or --map-by slot:PE=N)");
  }
  return Error::success();
}

void MpiSession::silence() {
  std::FILE *file = std::tmpfile();
  if (!file)
    return;
  messages = dup(fileno(file));
  std::fclose(file);
  terminal = dup(STDERR_FILENO);
  dup2(messages, STDERR_FILENO);
  int null = open("/dev/null", O_WRONLY);
  dup2(null, STDOUT_FILENO);
  close(null);
}

/// Prints what the rank has kept to itself.
void MpiSession::report() {
  if (messages < 0)
    return;
  errs().flush();
  raw_fd_ostream os(terminal, /*shouldClose=*/false, /*unbuffered=*/true);
  os << "rank " << module.rank << " of " << module.size << " (" << module.host << "):\n";
  lseek(messages, 0, SEEK_SET);
  char buffer[4096];
  for (ssize_t count; (count = read(messages, buffer, sizeof(buffer))) > 0;)
    os.write(buffer, count);
}

int MpiSession::finish(int exitCode) {
  // Who has failed first, in order of rank, is who reports.
  int least = exitCode ? module.rank : INT_MAX, met = 0;
  int code = module.meet(&least, exitCode ? graceSeconds : -1, &met);
  if (code != 0 || !met) {
    if (exitCode == 0)
      exitCode = 1;
    report();
    module.abort(exitCode);
  }
  if (least == module.rank)
    report();
  module.finish();
  return least == INT_MAX ? 0 : exitCode ? exitCode : 1;
}

} // namespace ptq::distributed
