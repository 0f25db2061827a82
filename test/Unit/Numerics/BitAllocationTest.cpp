// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The knapsack against all selections there are, for small instances of many shapes; its behaviour
// at both ends of the budget; and at the size of a large model.

#include "ptq/Numerics/BitAllocation.h"
#include "ptq/Numerics/Packing.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace ptq::numerics;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

using Items = std::vector<std::vector<AllocationChoice>>;

/// The least cost of all selections that fit, by trying each.
double leastCost(const Items &items, int64_t budget, size_t item = 0) {
  if (item == items.size())
    return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const AllocationChoice &choice : items[item])
    if (choice.size <= budget)
      least = std::min(least, choice.cost + leastCost(items, budget - choice.size, item + 1));
  return least;
}

/// That the allocation is of these items, fits, and is what it says.
void expectConsistent(const Items &items, const Allocation &allocation, int64_t budget) {
  ASSERT_EQ(allocation.choice.size(), items.size());
  int64_t size = 0;
  double cost = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    ASSERT_LT(allocation.choice[i], items[i].size());
    size += items[i][allocation.choice[i]].size;
    cost += items[i][allocation.choice[i]].cost;
  }
  EXPECT_EQ(size, allocation.size);
  EXPECT_DOUBLE_EQ(cost, allocation.cost);
  EXPECT_LE(size, budget);
}

std::string errorOf(llvm::Expected<Allocation> result) {
  return result ? "" : toString(result.takeError());
}

struct Shape {
  const char *name;
  int64_t unit;     ///< Sizes are multiples of it.
  int64_t greatest; ///< In units.
  bool falling;     ///< Costs fall by about 4 for each unit, as rounding errors do.
};

class RandomItems : public testing::TestWithParam<Shape> {};

TEST_P(RandomItems, CostIsTheLeastOfAllSelections) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    size_t count = 1 + random() % 7;
    Items items(count);
    int64_t least = 0, greatest = 0;
    for (auto &item : items) {
      int64_t smallest = INT64_MAX, largest = 0;
      double scale = std::exp(4.0 * std::uniform_real_distribution<>(-1, 1)(random));
      for (size_t j = 0, n = 1 + random() % 5; j < n; ++j) {
        int64_t size = GetParam().unit * (random() % GetParam().greatest);
        double cost = GetParam().falling ? scale * std::pow(0.25, double(size) / GetParam().unit)
                                         : random() % 8;
        item.push_back({size, cost});
        smallest = std::min(smallest, size);
        largest = std::max(largest, size);
      }
      least += smallest;
      greatest += largest;
    }
    for (int64_t budget : {least, least + (greatest - least) / 3, least + (greatest - least) / 2,
                           greatest - (greatest > least), greatest}) {
      auto allocation = allocate(items, budget);
      ASSERT_TRUE(bool(allocation)) << toString(allocation.takeError());
      expectConsistent(items, *allocation, budget);
      double expected = leastCost(items, budget);
      EXPECT_NEAR(allocation->cost, expected, 1e-11 * (1 + expected));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RandomItems,
                         testing::Values(Shape{"whole", 1, 8, false}, Shape{"errors", 64, 8, true},
                                         Shape{"awkward", 1, 997, false},
                                         Shape{"awkwardErrors", 7919, 9, true}),
                         [](const auto &info) { return info.param.name; });

// The sweep alone would take 0 -> 10 of the first item and then nothing fits: 6. Both second items
// together cost 5.
TEST(BitAllocation, BetterThanTheSweep) {
  Items items{{{0, 10}, {10, 0}}, {{0, 3}, {6, 0.5}}, {{0, 3}, {6, 0.5}}};
  auto allocation = allocate(items, 12);
  ASSERT_TRUE(bool(allocation));
  EXPECT_THAT(allocation->choice, ElementsAre(1, 0, 0));
  items[0][0].cost = 4.5;
  allocation = allocate(items, 12);
  ASSERT_TRUE(bool(allocation));
  EXPECT_THAT(allocation->choice, ElementsAre(0, 1, 1));
}

TEST(BitAllocation, EnoughForAll) {
  Items items{{{1, 9}, {5, 2}, {9, 0}}, {{1, 1}, {2, 1}, {3, 1}}};
  auto allocation = allocate(items, 1000);
  ASSERT_TRUE(bool(allocation));
  EXPECT_THAT(allocation->choice, ElementsAre(2, 0));
  EXPECT_EQ(allocation->cost, 1);
}

TEST(BitAllocation, Nothing) {
  auto allocation = allocate({}, 0);
  ASSERT_TRUE(bool(allocation));
  EXPECT_EQ(allocation->size, 0);
}

TEST(BitAllocation, Errors) {
  EXPECT_THAT(errorOf(allocate(Items{{{8, 1}}, {{9, 1}, {7, 2}}}, 14)),
              HasSubstr("the budget of 14 bytes is below the least possible size, 15 bytes"));
  EXPECT_THAT(errorOf(allocate(Items{{{8, 1}}, {}}, 14)), HasSubstr("item 1 has no choice"));
  EXPECT_THAT(errorOf(allocate(Items{{{8, NAN}}}, 14)), HasSubstr("finite"));
  EXPECT_THAT(errorOf(allocate(Items{{{-8, 1}}}, 14)), HasSubstr("not negative"));
}

// 600 layers of a model of 70 billion parameters, five widths: far more selections than atoms.
TEST(BitAllocation, LargeModel) {
  std::mt19937 random(3);
  Items items;
  WeightScheme scheme;
  int64_t budget = 0;
  for (int i = 0; i < 600; ++i) {
    const std::pair<int64_t, int64_t> shapes[] = {
        {8192, 8192}, {1024, 8192}, {28672, 8192}, {8192, 28672}};
    auto [rows, columns] = shapes[i % 4];
    budget += storedBytes(scheme, 3.5, rows, columns);
    double error = std::exp(std::normal_distribution<>(0, 1.5)(random));
    auto &item = items.emplace_back();
    for (unsigned bits : {2, 3, 4, 8})
      item.push_back(
          {storedBytes(scheme, bits, rows, columns), error * std::pow(4.0, -double(bits))});
    item.push_back({2 * rows * columns, 0});
  }
  auto allocation = allocate(items, budget);
  ASSERT_TRUE(bool(allocation));
  expectConsistent(items, *allocation, budget);
  // A small layer more would not fit.
  EXPECT_GT(allocation->size, budget - storedBytes(scheme, 1, 1024, 8192) * 2);
}

TEST(BitAllocation, StoredBytes) {
  WeightScheme scheme;
  scheme.groupSize = 64;
  // 4 bits: 64 bytes of codes and 2 scales for each of 10 rows.
  EXPECT_EQ(storedBytes(scheme, 4, 10, 128), 10 * (64 + 8));
  scheme.symmetric = false;
  EXPECT_EQ(storedBytes(scheme, 4, 10, 128), 10 * (64 + 10));
  scheme.granularity = Granularity::PerTensor;
  EXPECT_EQ(storedBytes(scheme, 4, 10, 128), 10 * 64 + 5);
  scheme.granularity = Granularity::PerChannel;
  for (unsigned bits = 2; bits <= 8; ++bits) // Whole words, also for odd widths.
    EXPECT_EQ(storedBytes(scheme, bits, 10, 77), 10 * (4 * packedWords(77, bits) + 5)) << bits;
  EXPECT_EQ(storedBytes(scheme, 3.5, 10, 64), 10 * (28 + 5));
}

} // namespace
