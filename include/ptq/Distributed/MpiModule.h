// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the module libPTQMpi.so offers to who loads it. MPI is a module because its libraries are
// not needed, and so must not be needed to be installed, by a process on its own. Plain C: module
// and loader share no C++ library.

#ifndef PTQ_DISTRIBUTED_MPIMODULE_H
#define PTQ_DISTRIBUTED_MPIMODULE_H

#include <cstddef>

extern "C" {

/// Calls return 0, or an error code of MPI for describe.
struct PTQMpiModule {
  int rank, size;
  char host[256];
  int (*send)(const void *data, size_t bytes, int to);
  int (*receive)(void *data, size_t bytes, int from);
  int (*broadcast)(void *data, size_t bytes, int root);
  /// Says that this process is at its end, and waits until all are, up to `seconds` (negative:
  /// without limit). `*least` is replaced by the least of all; `*met` tells whether all came.
  int (*meet)(int *least, double seconds, int *met);
  void (*describe)(int code, char *text, size_t size);
  void (*finish)();
  /// Ends all processes; does not return.
  void (*abort)(int exitCode);
};

/// The one symbol of the module: starts MPI.
typedef int (*PTQStartMpi)(struct PTQMpiModule *module);
}

#endif // PTQ_DISTRIBUTED_MPIMODULE_H
