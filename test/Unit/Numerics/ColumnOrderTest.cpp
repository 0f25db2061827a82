// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding orders on diagonals small enough to sort by eye.

#include "ptq/Numerics/GramFactor.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace ptq::numerics;
using testing::ElementsAre;

namespace {

const std::vector<float> diagonal{1, 4, 9, 2, 3, 3, 5, 7};

TEST(ColumnOrder, None) {
  EXPECT_THAT(computeColumnOrder(diagonal, ColumnOrder::None, 4),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(ColumnOrder, ActivationIsDescendingAndStable) {
  EXPECT_THAT(computeColumnOrder(diagonal, ColumnOrder::Activation, 4),
              ElementsAre(2, 7, 6, 1, 4, 5, 3, 0));
}

TEST(ColumnOrder, GroupAwareKeepsGroupsTogether) {
  // Groups {1, 4}, {9, 2}, {3, 3}, {5, 7}; by maximum: the second, fourth, first, third.
  EXPECT_THAT(computeColumnOrder(diagonal, ColumnOrder::GroupAware, 2),
              ElementsAre(2, 3, 7, 6, 1, 0, 4, 5));
}

TEST(ColumnOrder, GroupAwareWithOneGroupIsActivation) {
  for (int64_t groupSize : {0, 8})
    EXPECT_EQ(computeColumnOrder(diagonal, ColumnOrder::GroupAware, groupSize),
              computeColumnOrder(diagonal, ColumnOrder::Activation, 0));
}

} // namespace
