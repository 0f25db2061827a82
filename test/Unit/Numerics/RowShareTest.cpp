// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ by several processes, each of which rounds some of the rows: every one of them ends with
// what one process would have made.

#include "../Distributed/Ranks.h"
#include "TestData.h"
#include "ptq/Numerics/Gptq.h"

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using ptq::distributed::Communicator;

namespace {

RowShare shareOf(Communicator &communicator) {
  return {communicator.rank(), communicator.size(),
          [&](llvm::MutableArrayRef<char> bytes, llvm::ArrayRef<int64_t> ends) -> llvm::Error {
            EXPECT_EQ(int64_t(ends.size()), communicator.size());
            EXPECT_EQ(ends.back(), int64_t(bytes.size()));
            int64_t first = 0;
            for (int rank = 0; rank != communicator.size(); ++rank) {
              // What another process has is not there before it comes.
              if (rank == communicator.rank())
                for (size_t i = 0; i != bytes.size(); ++i)
                  if (int64_t(i) < first || int64_t(i) >= ends[rank])
                    bytes[i] = 0x55;
              first = ends[rank];
            }
            return communicator.exchange(bytes, ends);
          }};
}

void expectSame(const GptqResult &actual, const GptqResult &expected) {
  EXPECT_EQ(actual.weight.codes, expected.weight.codes);
  EXPECT_EQ(actual.weight.scales, expected.weight.scales);
  EXPECT_EQ(actual.weight.zeroPoints, expected.weight.zeroPoints);
  EXPECT_EQ(actual.weight.groupIndex, expected.weight.groupIndex);
  EXPECT_EQ(actual.weight.sparse.rowOffsets, expected.weight.sparse.rowOffsets);
  EXPECT_EQ(actual.weight.sparse.values, expected.weight.sparse.values);
  EXPECT_EQ(actual.loss, expected.loss);
  EXPECT_EQ(actual.error, expected.error);
  EXPECT_EQ(actual.errorRtn, expected.errorRtn);
}

struct Form {
  const char *name;
  WeightScheme scheme;
  double outliers = 0;
  ColumnOrder order = ColumnOrder::GroupAware;
};

class RowShares : public testing::TestWithParam<int> {};

TEST_P(RowShares, AllProcessesHaveAllRows) {
  WeightScheme progressive = schemeOf(4, false, Granularity::PerGroup, 32);
  progressive.progressive = true;
  const Form forms[] = {{"groups", schemeOf(4, true, Granularity::PerGroup, 32)},
                        {"zero points, act-order", schemeOf(4, false, Granularity::PerGroup, 32), 0,
                         ColumnOrder::Activation},
                        {"channels", schemeOf(8, true, Granularity::PerChannel)},
                        {"tensor", schemeOf(8, true, Granularity::PerTensor)},
                        {"outliers", schemeOf(3, true, Granularity::PerGroup, 32), 0.02},
                        {"progressive", progressive}};
  constexpr int64_t rows = 700, columns = 96; // six chunks, the last one ragged
  std::vector<float> weight = randomMatrix(rows, columns, 5, 0.05f);
  ConstMatrix w(weight.data(), rows, columns);
  for (const Form &form : forms) {
    SCOPED_TRACE(form.name);
    FactorOptions factorOptions;
    factorOptions.order = form.order;
    factorOptions.groupSize =
        form.scheme.granularity == Granularity::PerGroup ? form.scheme.groupSize : 0;
    GramFactor factor = valueOf(factorGram(correlatedGram(columns, 9), columns, factorOptions));
    GptqOptions options;
    options.outliers = form.outliers;
    GptqResult alone = valueOf(quantizeGptq(w, factor, form.scheme, options));
    std::vector<GptqResult> results(GetParam());
    ptq::distributed::test::runRanks(GetParam(), [&](Communicator &communicator) {
      GptqOptions own = options;
      own.rowShare = shareOf(communicator);
      results[communicator.rank()] = valueOf(quantizeGptq(w, factor, form.scheme, own));
    });
    for (const GptqResult &result : results)
      expectSame(result, alone);
  }
}

// Nine are more than there are chunks: some have no rows.
INSTANTIATE_TEST_SUITE_P(Processes, RowShares, testing::Values(1, 2, 4, 9));

TEST(RowShare, AFailedExchangeIsTheResultsError) {
  std::vector<float> weight = randomMatrix(8, 128, 5);
  GramFactor factor = valueOf(factorGram(correlatedGram(128, 9), 128, FactorOptions()));
  GptqOptions options;
  options.rowShare = {0, 2, [](llvm::MutableArrayRef<char>, llvm::ArrayRef<int64_t>) {
                        return llvm::createStringError("the cable is out");
                      }};
  auto result = quantizeGptq(ConstMatrix(weight.data(), 8, 128), factor,
                             schemeOf(4, true, Granularity::PerChannel), options);
  EXPECT_EQ(llvm::toString(result.takeError()), "the cable is out");
}

} // namespace
