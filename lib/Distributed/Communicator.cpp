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
  for (int root = 0; root != size(); ++root) {
    uint64_t bytes = all[root].size();
    if (Error error = broadcast({reinterpret_cast<char *>(&bytes), sizeof(bytes)}, root))
      return std::move(error);
    all[root].resize(bytes);
    if (bytes)
      if (Error error = broadcast({all[root].data(), size_t(bytes)}, root))
        return std::move(error);
  }
  return all;
}

Error Communicator::broadcastText(std::string &text) {
  uint64_t bytes = text.size();
  if (Error error = broadcast({reinterpret_cast<char *>(&bytes), sizeof(bytes)}, 0))
    return error;
  text.resize(bytes);
  return bytes ? broadcast({text.data(), size_t(bytes)}, 0) : Error::success();
}

Communicator &Communicator::world() { return *worldPointer(); }

void Communicator::setWorld(std::unique_ptr<Communicator> communicator) {
  worldPointer() = std::move(communicator);
}

} // namespace ptq::distributed
