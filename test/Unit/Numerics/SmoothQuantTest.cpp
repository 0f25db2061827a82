// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SmoothQuant's formula, and the search for alpha against the definition computed in double.

#include "ptq/Numerics/SmoothQuant.h"
#include "TestData.h"
#include "ptq/Numerics/Rtn.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

template <typename T> std::string messageOf(llvm::Expected<T> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

ConstMatrix view(const std::vector<float> &values, int64_t columns) {
  return ConstMatrix(values.data(), static_cast<int64_t>(values.size()) / columns, columns);
}

TEST(SmoothQuant, Formula) {
  std::vector<float> x{16, 4, 0, 1e-9f, 9}, w{4, 0.25f, 1, 1, 0};
  EXPECT_THAT(valueOf(smoothQuantScales(x, w, 0.5)),
              ElementsAre(FloatEq(2), FloatEq(4), 1.0f, FloatEq(std::sqrt(1e-5f)),
                          FloatEq(std::sqrt(9e5f))));
  EXPECT_THAT(valueOf(smoothQuantScales({16, 4}, {4, 0.25f}, 1.0)), ElementsAre(16.0f, 4.0f));
  EXPECT_THAT(valueOf(smoothQuantScales({16, 4}, {4, 0.25f}, 0.0)), ElementsAre(0.25f, 4.0f));
  EXPECT_THAT(valueOf(smoothQuantScales({1e-7f, 1}, {1, 1e7f}, 0.0)), ElementsAre(1.0f, 1e-5f));
}

TEST(SmoothQuant, TiesTakeTheGreatestMaxima) {
  EXPECT_THAT(valueOf(smoothQuantScales({16, 1, 4, 9}, {1, 4, 1, 1}, 0.5, {0, 0, 1, 2}, 3)),
              ElementsAre(FloatEq(2), FloatEq(2), FloatEq(2), FloatEq(3)));
}

TEST(SmoothQuant, ColumnMaximaAreOverAllLayers) {
  std::vector<float> a{1, -2, 3, 0.5f}, b{-4, 1};
  EXPECT_THAT(columnAbsMax({view(a, 2), view(b, 2)}), ElementsAre(4.0f, 2.0f));
  a[1] = NAN;
  std::vector<float> maxima = columnAbsMax({view(a, 2), view(b, 2)});
  EXPECT_EQ(maxima[0], 4.0f);
  EXPECT_TRUE(std::isnan(maxima[1]));
}

TEST(SmoothQuant, SaysWhatIsWrong) {
  EXPECT_THAT(messageOf(smoothQuantScales({1}, {1}, 1.5)), HasSubstr("between 0 and 1, not 1.5"));
  EXPECT_THAT(messageOf(smoothQuantScales({1}, {1}, std::nan(""))), HasSubstr("between 0 and 1"));
  EXPECT_THAT(messageOf(smoothQuantScales({1, 2}, {1}, 0.5)), HasSubstr("not of one input"));
  EXPECT_THAT(messageOf(smoothQuantScales({1, NAN}, {1, 1}, 0.5)), HasSubstr("channel 1 is nan"));
  EXPECT_THAT(messageOf(smoothQuantScales({1}, {infinity}, 0.5)), HasSubstr("weight of channel 0"));
  EXPECT_THAT(messageOf(smoothQuantScales({1}, {1}, 0.5, {3}, 2)), HasSubstr("class 3 of 2"));
}

struct Problem {
  static constexpr int64_t tokens = 60, columns = 64, rows = 24;
  std::vector<float> x = randomMatrix(tokens, columns, 1), w = randomMatrix(rows, columns, 2);
  std::vector<float> absmax = std::vector<float>(columns, 0.0f);

  Problem() {
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t j : {3, 20, 50})
        x[t * columns + j] *= 40;
    for (size_t i = 0; i < x.size(); ++i)
      absmax[i % columns] = std::max(absmax[i % columns], std::fabs(x[i]));
  }

  /// The definition: both sides rounded by the scalar functions of Rtn.h, products in double.
  double loss(const SmoothedLayer &layer, const std::vector<float> &s) const {
    std::vector<float> scaled = w, values(w.size());
    for (size_t i = 0; i < w.size(); ++i)
      scaled[i] *= s[i % columns];
    QuantizedWeight q = valueOf(quantizeRtn(view(scaled, columns), layer.scheme));
    dequantize(q, MutableMatrix(values.data(), rows, columns));
    float tensor = 0;
    for (int64_t j = 0; j < columns; ++j)
      tensor = std::max(tensor, absmax[j] / s[j]);
    double total = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      float lo = 0, hi = 0;
      for (int64_t j = 0; j < columns; ++j) {
        lo = std::min(lo, x[t * columns + j] / s[j]);
        hi = std::max(hi, x[t * columns + j] / s[j]);
      }
      if (!layer.activation.perToken) {
        lo = -tensor;
        hi = tensor;
      }
      QuantizationParameters p =
          parametersOfRange(lo, hi, layer.activation.bits, layer.activation.symmetric,
                            layer.activation.symmetricRange);
      for (int64_t i = 0; i < rows; ++i) {
        double y = 0;
        for (int64_t j = 0; j < columns; ++j) {
          float v = x[t * columns + j];
          double rounded =
              (quantizeValue(v / s[j], p, layer.activation.bits) - p.zeroPoint) * double(p.scale);
          y += rounded * values[i * columns + j] - double(v) * w[i * columns + j];
        }
        total += y * y;
      }
    }
    return total;
  }
};

TEST(SmoothQuantSearch, LossIsThatOfTheDefinition) {
  Problem problem;
  std::vector<float> s(Problem::columns, 1.0f);
  for (int64_t j = 0; j < Problem::columns; ++j)
    s[j] = 0.5f + float(j % 7);
  for (bool symmetric : {true, false})
    for (bool perToken : {true, false})
      for (Granularity granularity :
           {Granularity::PerTensor, Granularity::PerChannel, Granularity::PerGroup}) {
        SmoothedLayer layer{view(problem.w, Problem::columns), {}, {}};
        layer.scheme.bits = 6;
        layer.scheme.granularity = granularity;
        layer.scheme.groupSize = 16;
        layer.activation.bits = 6;
        layer.activation.symmetric = symmetric;
        layer.activation.perToken = perToken;
        double found =
            valueOf(smoothedLoss(layer, view(problem.x, Problem::columns), problem.absmax, s, 0));
        EXPECT_NEAR(found / problem.loss(layer, s), 1, 0.01)
            << symmetric << perToken << int(granularity);
      }
}

TEST(SmoothQuantSearch, FindsTheBestAlpha) {
  Problem problem;
  for (bool perToken : {true, false}) {
    SmoothedLayer layer{view(problem.w, Problem::columns), {}, {}};
    layer.scheme.bits = 8;
    layer.scheme.granularity = Granularity::PerChannel;
    layer.activation.perToken = perToken;
    std::vector<float> weightAbsmax = columnAbsMax(layer.weight);
    double before = problem.loss(layer, std::vector<float>(Problem::columns, 1.0f));
    double best = before;
    for (int k = 0; k <= 20; ++k)
      best = std::min(
          best,
          problem.loss(layer, valueOf(smoothQuantScales(problem.absmax, weightAbsmax, k / 20.0))));
    AlphaSearchResult result = valueOf(searchAlpha(layer, view(problem.x, Problem::columns),
                                                   problem.absmax, {}, 0, {20, /*searchRows=*/0}));
    ASSERT_TRUE(result.alpha.has_value());
    EXPECT_LT(best, 0.2 * before);
    EXPECT_NEAR(result.lossBefore / before, 1, 0.01);
    EXPECT_NEAR(result.loss / best, 1, 0.01);
    EXPECT_NEAR(problem.loss(layer, result.scales) / best, 1, 0.01);
  }
}

TEST(SmoothQuantSearch, SaysWhatIsWrong) {
  Problem problem;
  SmoothedLayer layer{view(problem.w, Problem::columns), {}, {}};
  layer.scheme.granularity = Granularity::PerChannel;
  ConstMatrix x = view(problem.x, Problem::columns);
  EXPECT_THAT(messageOf(searchAlpha({}, x, problem.absmax, {}, 0)), HasSubstr("without a layer"));
  EXPECT_THAT(messageOf(searchAlpha(layer, x, {1.0f}, {}, 0)), HasSubstr("do not fit"));
  problem.x[70] = NAN;
  EXPECT_THAT(messageOf(searchAlpha(layer, x, problem.absmax, {}, 0)), HasSubstr("token 1"));
}

TEST(SmoothQuantSearch, SamplesSpreadTokens) {
  std::vector<float> x{0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_THAT(sampleTokens(view(x, 2), 2), ElementsAre(0, 1, 4, 5));
  EXPECT_EQ(sampleTokens(view(x, 2), 9), x);
}

} // namespace
