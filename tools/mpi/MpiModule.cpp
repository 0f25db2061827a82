// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libPTQMpi.so: the functions of MpiModule.h in terms of MPI.

#include "ptq/Distributed/MpiModule.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mpi.h>
#include <thread>

namespace {

/// MPI counts in int; larger messages go in parts.
constexpr size_t partBytes = size_t(1) << 30;

template <typename Transfer> int inParts(size_t bytes, Transfer transfer) {
  for (size_t first = 0; first < bytes; first += partBytes)
    if (int code = transfer(first, static_cast<int>(std::min(partBytes, bytes - first))))
      return code;
  return MPI_SUCCESS;
}

int send(const void *data, size_t bytes, int to) {
  return inParts(bytes, [&](size_t first, int count) {
    return MPI_Send(static_cast<const char *>(data) + first, count, MPI_BYTE, to, 0,
                    MPI_COMM_WORLD);
  });
}

int receive(void *data, size_t bytes, int from) {
  return inParts(bytes, [&](size_t first, int count) {
    MPI_Status status;
    int code = MPI_Recv(static_cast<char *>(data) + first, count, MPI_BYTE, from, 0, MPI_COMM_WORLD,
                        &status);
    int received = 0;
    if (code == MPI_SUCCESS)
      code = MPI_Get_count(&status, MPI_BYTE, &received);
    return code == MPI_SUCCESS && received != count ? MPI_ERR_TRUNCATE : code;
  });
}

int broadcast(void *data, size_t bytes, int root) {
  return inParts(bytes, [&](size_t first, int count) {
    return MPI_Bcast(static_cast<char *>(data) + first, count, MPI_BYTE, root, MPI_COMM_WORLD);
  });
}

int meet(int *least, double seconds, int *met) {
  MPI_Request request;
  static int own, all;
  own = *least;
  *met = 0;
  if (int code = MPI_Iallreduce(&own, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD, &request))
    return code;
  auto start = std::chrono::steady_clock::now();
  for (;;) {
    if (int code = MPI_Test(&request, met, MPI_STATUS_IGNORE))
      return code;
    if (*met)
      break;
    std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    if (seconds >= 0 && waited.count() > seconds)
      return MPI_SUCCESS;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  *least = all;
  return MPI_SUCCESS;
}

void describe(int code, char *text, size_t size) {
  char message[MPI_MAX_ERROR_STRING + 1] = "unknown error";
  int length = 0;
  MPI_Error_string(code, message, &length);
  std::strncpy(text, message, size - 1);
  text[size - 1] = 0;
}

void finish() { MPI_Finalize(); }
void abortAll(int exitCode) { MPI_Abort(MPI_COMM_WORLD, exitCode); }

} // namespace

extern "C" __attribute__((visibility("default"))) int ptqStartMpi(PTQMpiModule *module) {
  int provided = 0;
  if (int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided))
    return code;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  *module = {};
  MPI_Comm_rank(MPI_COMM_WORLD, &module->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &module->size);
  char host[MPI_MAX_PROCESSOR_NAME + 1] = "";
  int length = 0;
  MPI_Get_processor_name(host, &length);
  std::strncpy(module->host, host, sizeof(module->host) - 1);
  module->send = send;
  module->receive = receive;
  module->broadcast = broadcast;
  module->meet = meet;
  module->describe = describe;
  module->finish = finish;
  module->abort = abortAll;
  return MPI_SUCCESS;
}
