// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The processes that one quantization runs in, and what they say to each other. One process is the
// rule: then nothing here does anything. lib/Distributed/README.md says how several share the work.

#ifndef PTQ_DISTRIBUTED_COMMUNICATOR_H
#define PTQ_DISTRIBUTED_COMMUNICATOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace ptq::distributed {

/// Processes ("ranks") 0 to size() - 1, which all run the same program on the same input. Every
/// call but send and receive is collective: all ranks make it, in the same order. Not thread safe.
/// Errors are those of the transport, and name the rank.
class Communicator {
public:
  virtual ~Communicator();

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Returns when `data` may be overwritten, which may be before it is received.
  virtual llvm::Error send(llvm::ArrayRef<char> data, int to) = 0;
  /// Receives exactly as many bytes as `data` has, which is how many must be sent.
  virtual llvm::Error receive(llvm::MutableArrayRef<char> data, int from) = 0;
  /// Copies `data` of rank `root`, of one size on all ranks, to all.
  virtual llvm::Error broadcast(llvm::MutableArrayRef<char> data, int root) = 0;

  /// The rank that writes files and speaks to the user.
  bool isRoot() const { return rank() == 0; }
  /// The bytes of all ranks, which may be of different sizes, in order of rank.
  llvm::Expected<std::vector<std::string>> gather(llvm::StringRef own);
  /// `text` of rank `root`, on all.
  llvm::Error broadcastText(std::string &text, int root = 0);
  /// Brings each rank's part of `data` to all: rank r has the bytes from ends[r - 1] (0 for the
  /// first) to ends[r]. Size and ends are the same on all ranks.
  llvm::Error exchange(llvm::MutableArrayRef<char> data, llvm::ArrayRef<int64_t> ends);

  /// The processes that this one is of: itself alone, unless setWorld was called.
  static Communicator &world();
  /// To be called once, before any pass runs.
  static void setWorld(std::unique_ptr<Communicator> communicator);
};

} // namespace ptq::distributed

#endif // PTQ_DISTRIBUTED_COMMUNICATOR_H
