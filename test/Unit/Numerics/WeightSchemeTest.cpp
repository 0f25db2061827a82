// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks of schemes against shapes.

#include "ptq/Numerics/WeightScheme.h"
#include "ptq/Numerics/QuantizedWeight.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace ptq::numerics;
using testing::HasSubstr;

namespace {

std::string check(const WeightScheme &scheme, int64_t rows, int64_t columns) {
  return llvm::toString(verify(scheme, rows, columns));
}

TEST(WeightScheme, AcceptsWhatFits) {
  for (unsigned bits = 2; bits <= 8; ++bits) {
    WeightScheme scheme;
    scheme.bits = bits;
    EXPECT_EQ(check(scheme, 3, 256), "");
    scheme.granularity = Granularity::PerTensor;
    EXPECT_EQ(check(scheme, 3, 17), "");
  }
}

TEST(WeightScheme, CodeRange) {
  WeightScheme scheme;
  EXPECT_EQ(scheme.minCode(), -8);
  EXPECT_EQ(scheme.maxCode(), 7);
  scheme.bits = 8;
  EXPECT_EQ(scheme.minCode(), -128);
  EXPECT_EQ(scheme.maxCode(), 127);
}

TEST(WeightScheme, NamesTheWidthAndTheSizesThatDo) {
  WeightScheme scheme;
  std::string message = check(scheme, 4, 576);
  EXPECT_THAT(message, HasSubstr("128 does not divide the width 576"));
  EXPECT_THAT(message, HasSubstr("8, 16, 24, 32, 48, 64, 72, 96, 144, 192, 288, 576;"));
  EXPECT_THAT(check(scheme, 4, 45), HasSubstr("3, 5, 9, 15, 45;"));
}

TEST(WeightScheme, RejectsWhatCannotBe) {
  WeightScheme scheme;
  EXPECT_THAT(check(scheme, 0, 128), HasSubstr("empty"));
  scheme.bits = 1;
  EXPECT_THAT(check(scheme, 1, 128), HasSubstr("1 bits"));
  scheme.bits = 9;
  EXPECT_THAT(check(scheme, 1, 128), HasSubstr("9 bits"));
  scheme.bits = 4;
  scheme.groupSize = -1;
  EXPECT_THAT(check(scheme, 1, 128), HasSubstr("per-channel"));
}

TEST(WeightScheme, CodebooksHaveTheirOwnTerms) {
  WeightScheme scheme;
  scheme.codebook = Codebook::NF4;
  scheme.doubleQuantization = true;
  EXPECT_EQ(check(scheme, 4, 256), "");
  scheme.bits = 3;
  EXPECT_THAT(check(scheme, 4, 256), HasSubstr("NF4 has 4 bits, not 3"));
  scheme.bits = 4;
  scheme.symmetric = false;
  EXPECT_THAT(check(scheme, 4, 256), HasSubstr("no zero points"));
  scheme.symmetric = true;
  scheme.granularity = Granularity::PerTensor;
  EXPECT_THAT(check(scheme, 4, 256), HasSubstr("not tensor"));
  scheme.granularity = Granularity::PerChannel;
  EXPECT_EQ(check(scheme, 4, 256), "");
  scheme.codebook = Codebook::Uniform;
  EXPECT_THAT(check(scheme, 4, 256), HasSubstr("for NF4 only"));
}

TEST(WeightScheme, Counts) {
  WeightScheme scheme;
  EXPECT_EQ(groupsPerRow(scheme, 512), 4);
  EXPECT_EQ(scaleCount(scheme, 3, 512), 12);
  scheme.granularity = Granularity::PerChannel;
  EXPECT_EQ(scaleCount(scheme, 3, 512), 3);
  scheme.granularity = Granularity::PerTensor;
  EXPECT_EQ(groupsPerRow(scheme, 512), 1);
  EXPECT_EQ(scaleCount(scheme, 3, 512), 1);
}

} // namespace
