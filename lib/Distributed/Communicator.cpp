// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Distributed/Communicator.h"

using namespace llvm;

namespace ptq::distributed {
namespace {

/// A process on its own. It has nobody to send to.
class SingleProcess : public Communicator {
public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Error send(ArrayRef<char>, int to) override { return noSuchRank(to); }
  Error receive(MutableArrayRef<char>, int from) override { return noSuchRank(from); }
  Error broadcast(MutableArrayRef<char>, int root) override { return Error::success(); }

private:
  static Error noSuchRank(int rank) {
    return createStringError("there is no rank %d: this process is on its own", rank);
  }
};

std::unique_ptr<Communicator> &worldPointer() {
  static std::unique_ptr<Communicator> world = std::make_unique<SingleProcess>();
  return world;
}

} // namespace

Communicator::~Communicator() = default;

Expected<std::vector<std::string>> Communicator::gather(StringRef own) {
  std::vector<std::string> all(size());
  all[rank()] = own.str();
  for (int root = 0; root != size(); ++root)
    if (Error error = broadcastText(all[root], root))
      return std::move(error);
  return all;
}

Error Communicator::broadcastText(std::string &text, int root) {
  uint64_t bytes = text.size();
  if (Error error = broadcast({reinterpret_cast<char *>(&bytes), sizeof(bytes)}, root))
    return error;
  text.resize(bytes);
  return bytes ? broadcast({text.data(), size_t(bytes)}, root) : Error::success();
}

Error Communicator::exchange(MutableArrayRef<char> data, ArrayRef<int64_t> ends) {
  int64_t first = 0;
  for (int root = 0; root != size(); ++root) {
    if (ends[root] != first)
      if (Error error = broadcast(data.slice(first, ends[root] - first), root))
        return error;
    first = ends[root];
  }
  return Error::success();
}

Communicator &Communicator::world() { return *worldPointer(); }

void Communicator::setWorld(std::unique_ptr<Communicator> communicator) {
  worldPointer() = std::move(communicator);
}

} // namespace ptq::distributed
