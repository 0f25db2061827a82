// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as threads of one process.

#ifndef PTQ_TEST_UNIT_DISTRIBUTED_RANKS_H
#define PTQ_TEST_UNIT_DISTRIBUTED_RANKS_H

#include "ptq/Distributed/Communicator.h"
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace ptq::distributed::test {

/// Messages on their way, by sender and receiver.
struct Mail {
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<std::pair<int, int>, std::deque<std::string>> boxes;
  int64_t sent = 0; ///< Messages that were sent at all.
};

class ThreadRank : public Communicator {
public:
  ThreadRank(Mail &mail, int rank, int size) : mail(mail), own(rank), all(size) {}

  int rank() const override { return own; }
  int size() const override { return all; }
  llvm::Error send(llvm::ArrayRef<char> data, int to) override {
    std::lock_guard<std::mutex> lock(mail.mutex);
    mail.boxes[{own, to}].emplace_back(data.begin(), data.end());
    ++mail.sent;
    mail.arrived.notify_all();
    return llvm::Error::success();
  }
  llvm::Error receive(llvm::MutableArrayRef<char> data, int from) override {
    std::unique_lock<std::mutex> lock(mail.mutex);
    auto &box = mail.boxes[{from, own}];
    if (!mail.arrived.wait_for(lock, std::chrono::seconds(20), [&] { return !box.empty(); }))
      return llvm::createStringError("rank %d waits for rank %d in vain", own, from);
    std::string message = std::move(box.front());
    box.pop_front();
    if (message.size() != data.size())
      return llvm::createStringError("a message of another size");
    std::copy(message.begin(), message.end(), data.begin());
    return llvm::Error::success();
  }
  llvm::Error broadcast(llvm::MutableArrayRef<char> data, int root) override {
    if (own != root)
      return receive(data, root);
    for (int rank = 0; rank != all; ++rank)
      if (rank != root)
        if (llvm::Error error = send(data, rank))
          return error;
    return llvm::Error::success();
  }

private:
  Mail &mail;
  int own, all;
};

/// Runs `body` on so many ranks; returns how many messages they sent. No message is left over.
inline int64_t runRanks(int size, const std::function<void(Communicator &)> &body) {
  Mail mail;
  std::vector<std::thread> threads;
  for (int rank = 0; rank != size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank communicator(mail, rank, size);
      body(communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const auto &[way, box] : mail.boxes)
    EXPECT_TRUE(box.empty()) << "from " << way.first << " to " << way.second;
  return mail.sent;
}

} // namespace ptq::distributed::test

#endif // PTQ_TEST_UNIT_DISTRIBUTED_RANKS_H
