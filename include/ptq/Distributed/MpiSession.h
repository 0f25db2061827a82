// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tool's life under mpirun: from loading MPI to the end that all processes agree on.

#ifndef PTQ_DISTRIBUTED_MPISESSION_H
#define PTQ_DISTRIBUTED_MPISESSION_H

#include "ptq/Distributed/MpiModule.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace ptq::distributed {

/// Whether a launcher of MPI (mpirun, mpiexec, srun) has started this process.
bool isStartedByMpi();

/// While it lives, Communicator::world() is MPI's. Of all ranks only the first speaks: what others
/// print on stderr is kept for the case that they fail, what they print on stdout is dropped.
class MpiSession {
public:
  /// Loads the module, the first of `modules` that is there, and starts MPI. `machine` describes
  /// what results depend on, and must be the same on all ranks. Errors: no module, one that cannot
  /// be loaded, ranks that differ.
  static llvm::Expected<std::unique_ptr<MpiSession>> start(llvm::ArrayRef<std::string> modules,
                                                           llvm::StringRef machine);

  /// To be called last; returns the exit code. A rank that has failed and finds the others waiting
  /// for it says why, and ends them all. If all fail, as they do of bad input, the first one's
  /// messages are enough.
  int finish(int exitCode);

private:
  explicit MpiSession(const PTQMpiModule &module) : module(module) {}
  llvm::Error checkMachines(llvm::StringRef machine) const;
  void silence();
  void report();

  PTQMpiModule module;
  int messages = -1, terminal = -1; ///< File descriptors: what is kept of stderr, and stderr.
};

} // namespace ptq::distributed

#endif // PTQ_DISTRIBUTED_MPISESSION_H
