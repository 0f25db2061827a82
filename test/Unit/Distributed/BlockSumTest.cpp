// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums over blocks: the bits are those of the tree that BlockSum.h describes, for any number of
// ranks.

#include "ptq/Distributed/BlockSum.h"
#include "Ranks.h"
#include "llvm/ADT/bit.h"

#include <random>

using namespace ptq::distributed;
using namespace ptq::distributed::test;

namespace {

constexpr size_t width = 7;

/// Of magnitudes so different that any other order of adding them gives other bits.
std::vector<float> blockValues(int64_t block) {
  std::mt19937 engine(100 + block);
  std::vector<float> values(width);
  for (float &value : values)
    value = std::ldexp(static_cast<int32_t>(engine()) * 0x1p-31f, int(engine() % 24));
  return values;
}

/// The tree by its definition.
std::vector<float> treeSum(int64_t first, int64_t last) {
  if (last - first == 1)
    return blockValues(first);
  int64_t half = 1;
  while (2 * half < last - first)
    half *= 2;
  std::vector<float> left = treeSum(first, first + half), right = treeSum(first + half, last);
  for (size_t i = 0; i != width; ++i)
    left[i] += right[i];
  return left;
}

std::vector<uint32_t> bitsOf(const std::vector<float> &values) {
  std::vector<uint32_t> bits;
  for (float value : values)
    bits.push_back(llvm::bit_cast<uint32_t>(value));
  return bits;
}

TEST(BlockSum, AnyNumberOfRanksGivesTheBitsOfTheTree) {
  for (int64_t blocks : {1, 2, 3, 5, 8, 13, 16, 32})
    for (int ranks = 1; ranks <= 9; ++ranks) {
      SCOPED_TRACE(std::to_string(blocks) + " blocks, " + std::to_string(ranks) + " ranks");
      auto expected = bitsOf(treeSum(0, blocks));
      std::vector<std::vector<uint32_t>> sums(ranks);
      std::vector<int64_t> computed(ranks);
      runRanks(ranks, [&](Communicator &communicator) {
        int rank = communicator.rank();
        BlockShare share = BlockShare::of(blocks, communicator);
        std::vector<float> sum(width, NAN);
        auto compute = [&](int64_t block, llvm::MutableArrayRef<float> to) {
          EXPECT_TRUE(share.first <= block && block < share.last);
          std::vector<float> values = blockValues(block);
          std::copy(values.begin(), values.end(), to.begin());
          ++computed[rank];
        };
        llvm::Error error = sumBlocks(communicator, share, sum, compute);
        EXPECT_FALSE(error) << llvm::toString(std::move(error));
        sums[rank] = bitsOf(sum);
      });
      int64_t total = 0;
      for (int rank = 0; rank != ranks; ++rank) {
        EXPECT_EQ(sums[rank], expected) << "rank " << rank;
        total += computed[rank];
      }
      // Each block once, but where there are too few to share.
      EXPECT_EQ(total, blocks < ranks ? blocks * ranks : blocks);
    }
}

TEST(BlockSum, AnotherOrderGivesOtherBits) {
  std::vector<float> chain = blockValues(0);
  for (int64_t block = 1; block != 13; ++block)
    for (size_t i = 0; i != width; ++i)
      chain[i] += blockValues(block)[i];
  EXPECT_NE(bitsOf(chain), bitsOf(treeSum(0, 13)));
}

TEST(BlockShare, IsContiguousAndEven) {
  for (int64_t blocks : {4, 5, 31, 32})
    for (int ranks = 1; ranks <= 4; ++ranks) {
      Mail mail;
      int64_t next = 0;
      for (int rank = 0; rank != ranks; ++rank) {
        BlockShare share = BlockShare::of(blocks, ThreadRank(mail, rank, ranks));
        EXPECT_EQ(share.first, next);
        EXPECT_GE(share.last - share.first, blocks / ranks);
        EXPECT_LE(share.last - share.first, (blocks + ranks - 1) / ranks);
        EXPECT_EQ(share.isShared(), ranks > 1);
        next = share.last;
      }
      EXPECT_EQ(next, blocks);
    }
}

TEST(BlockSum, TheTransportsErrorIsPassedOn) {
  struct Broken : Communicator {
    int rank() const override { return 0; }
    int size() const override { return 2; }
    llvm::Error send(llvm::ArrayRef<char>, int) override { return fails(); }
    llvm::Error receive(llvm::MutableArrayRef<char>, int) override { return fails(); }
    llvm::Error broadcast(llvm::MutableArrayRef<char>, int) override { return fails(); }
    static llvm::Error fails() { return llvm::createStringError("the cable is out"); }
  } broken;
  std::vector<float> sum(width);
  EXPECT_EQ(llvm::toString(sumBlocks(broken, BlockShare::of(2, broken), sum,
                                     [](int64_t, llvm::MutableArrayRef<float>) {})),
            "the cable is out");
  EXPECT_EQ(llvm::toString(broken.gather("x").takeError()), "the cable is out");
}

TEST(Communicator, GathersAndBroadcastsTexts) {
  runRanks(3, [](Communicator &communicator) {
    int rank = communicator.rank();
    auto all = communicator.gather(std::string(rank, 'a' + rank));
    ASSERT_TRUE(bool(all));
    EXPECT_EQ(*all, (std::vector<std::string>{"", "b", "cc"}));
    std::string text = rank == 0 ? "from the root" : "something else that is longer";
    EXPECT_FALSE(communicator.broadcastText(text));
    EXPECT_EQ(text, "from the root");
  });
}

TEST(Communicator, AProcessIsOnItsOwn) {
  Communicator &world = Communicator::world();
  EXPECT_EQ(world.size(), 1);
  EXPECT_TRUE(world.isRoot());
  auto all = world.gather("own");
  ASSERT_TRUE(bool(all));
  EXPECT_EQ(*all, std::vector<std::string>{"own"});
  EXPECT_NE(llvm::toString(world.send({}, 1)), "");
}

} // namespace
