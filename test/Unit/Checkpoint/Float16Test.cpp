// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions against LLVM's APFloat, over every pattern of the narrow type and, for narrowing, at
// and around every rounding boundary.
//
#include "ptq/Checkpoint/Float16.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace ptq::checkpoint;

namespace {

struct Format {
  DType dtype;
  const llvm::fltSemantics &semantics;
  unsigned bits;
};

const Format formats[] = {{DType::F16, llvm::APFloat::IEEEhalf(), 16},
                          {DType::BF16, llvm::APFloat::BFloat(), 16},
                          {DType::F8E4M3, llvm::APFloat::Float8E4M3FN(), 8},
                          {DType::F8E5M2, llvm::APFloat::Float8E5M2(), 8}};

struct Float16Test : testing::TestWithParam<Format> {
  unsigned width = GetParam().bits / 8;

  float reference(uint32_t pattern) const {
    llvm::APFloat value(GetParam().semantics, llvm::APInt(GetParam().bits, pattern));
    bool losesInfo;
    value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return value.convertToFloat();
  }
  uint32_t reference(float value) const {
    llvm::APFloat result(value);
    bool losesInfo;
    result.convert(GetParam().semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return result.bitcastToAPInt().getZExtValue();
  }
  std::vector<float> widen(const std::vector<uint32_t> &patterns) const {
    std::vector<char> bytes;
    for (uint32_t pattern : patterns)
      for (unsigned i = 0; i < width; ++i)
        bytes.push_back(char(pattern >> (8 * i)));
    std::vector<float> result(patterns.size());
    convertToFloat(GetParam().dtype, bytes, result);
    return result;
  }
  std::vector<uint32_t> narrow(const std::vector<float> &values) const {
    std::vector<char> bytes(values.size() * width);
    convertFromFloat(GetParam().dtype, values, bytes);
    std::vector<uint32_t> result;
    for (size_t i = 0; i < values.size(); ++i)
      result.push_back(uint8_t(bytes[i * width]) |
                       (width == 2 ? uint8_t(bytes[i * width + 1]) << 8 : 0));
    return result;
  }
  void expectNarrowsLikeReference(const std::vector<float> &values) const {
    std::vector<uint32_t> actual = narrow(values);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(actual[i], reference(values[i]))
          << values[i] << " = 0x" << std::hex << llvm::bit_cast<uint32_t>(values[i]);
  }
  std::vector<uint32_t> allPatterns() const {
    std::vector<uint32_t> result;
    for (uint32_t pattern = 0; pattern < 1u << GetParam().bits; ++pattern)
      result.push_back(pattern);
    return result;
  }
};

TEST_P(Float16Test, WidensEveryPattern) {
  std::vector<uint32_t> patterns = allPatterns();
  std::vector<float> actual = widen(patterns);
  for (uint32_t pattern : patterns) {
    float expected = reference(pattern);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(actual[pattern])) << std::hex << pattern;
    else
      ASSERT_EQ(llvm::bit_cast<uint32_t>(actual[pattern]), llvm::bit_cast<uint32_t>(expected))
          << std::hex << pattern;
  }
}

TEST_P(Float16Test, EveryPatternSurvivesARoundTrip) {
  std::vector<uint32_t> patterns = allPatterns();
  std::vector<uint32_t> back = narrow(widen(patterns));
  for (uint32_t pattern : patterns) {
    if (std::isnan(reference(pattern)))
      ASSERT_TRUE(std::isnan(reference(back[pattern]))) << std::hex << pattern;
    else
      ASSERT_EQ(back[pattern], pattern);
  }
}

TEST_P(Float16Test, NarrowsEveryBoundary) {
  // Each finite value, the midpoint to the next, and the floats next to both.
  std::vector<float> values;
  for (uint32_t pattern : allPatterns()) {
    float value = reference(pattern), next = reference(pattern + 1);
    if (!std::isfinite(value))
      continue;
    float middle = std::isfinite(next) ? value + (next - value) / 2 : value * 1.03125f;
    for (float center : {value, middle})
      for (float direction : {-INFINITY, INFINITY})
        values.insert(values.end(), {center, std::nextafter(center, direction)});
  }
  expectNarrowsLikeReference(values);
}

TEST_P(Float16Test, NarrowsExtremesAndRandomBits) {
  std::vector<float> values = {0.0f,     -0.0f,           INFINITY,      -INFINITY,      1e-45f,
                               -1e-45f,  1.17549435e-38f, 3.4028234e38f, -3.4028234e38f, 65519.996f,
                               65520.0f, 65535.0f,        65536.0f,      464.0f,         464.00003f,
                               480.0f,   512.0f,          57344.0f,      61440.0f};
  std::mt19937 random(7);
  for (int i = 0; i < 1'000'000; ++i)
    if (float value = llvm::bit_cast<float>(uint32_t(random())); !std::isnan(value))
      values.push_back(value);
  expectNarrowsLikeReference(values);
}

TEST_P(Float16Test, NaNStaysNaN) {
  for (uint32_t payload : {0x7f800001u, 0x7fffffffu, 0x7fc00000u, 0xff800001u, 0xffffffffu})
    for (size_t count : {1, 8})
      for (uint32_t pattern : narrow(std::vector<float>(count, llvm::bit_cast<float>(payload)))) {
        EXPECT_TRUE(std::isnan(reference(pattern))) << std::hex << payload << " → " << pattern;
        EXPECT_EQ(pattern >> (GetParam().bits - 1), payload >> 31);
      }
}

INSTANTIATE_TEST_SUITE_P(Formats, Float16Test, testing::ValuesIn(formats),
                         [](const auto &info) { return toString(info.param.dtype).str(); });

TEST(HalfTest, VectorAndScalarCodeAgreeOnEveryPattern) {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i)
    patterns[i] = i;
  llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(patterns.data()), 2 * patterns.size());
  std::vector<float> wide(patterns.size());
  convertToFloat(DType::F16, bytes, wide);
  std::vector<uint16_t> back(patterns.size());
  convertFromFloat(DType::F16, wide, {reinterpret_cast<char *>(back.data()), 2 * back.size()});
  for (size_t i = 0; i < patterns.size(); ++i) {
    ASSERT_EQ(llvm::bit_cast<uint32_t>(halfToFloat(patterns[i])), llvm::bit_cast<uint32_t>(wide[i]))
        << std::hex << i;
    ASSERT_EQ(floatToHalf(wide[i]), back[i]) << std::hex << i;
  }
}

TEST(ConvertTest, CountsTheSmallerSide) {
  std::vector<float> values(3, 7.0f);
  convertToFloat(DType::F16, llvm::ArrayRef<char>("\0\x3c\0\x3c\0", 5), values);
  EXPECT_EQ(values, (std::vector<float>{1, 1, 7}));
  char bytes[] = {1, 2, 3};
  convertFromFloat(DType::F16, values, bytes);
  EXPECT_EQ(bytes[2], 3);
  convertToFloat(DType::F32, {}, values);
  EXPECT_EQ(values[0], 1);
}

template <typename T>
void expectIntegers(DType dtype, std::vector<float> from, std::vector<T> expected) {
  std::vector<char> bytes(from.size() * sizeof(T) + 1);
  // Off by one byte: no alignment is assumed.
  llvm::MutableArrayRef<char> stored(bytes.data() + 1, bytes.size() - 1);
  convertFromFloat(dtype, from, stored);
  std::vector<T> actual(expected.size());
  std::memcpy(actual.data(), stored.data(), stored.size());
  EXPECT_EQ(actual, expected) << toString(dtype).str();
  std::vector<float> back(expected.size());
  convertToFloat(dtype, stored, back);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(back[i], float(expected[i])) << toString(dtype).str();
}

template <typename T> void expectSaturation(DType dtype) {
  using limits = std::numeric_limits<T>;
  expectIntegers<T>(
      dtype, {0, 0.5f, 1.5f, 2.5f, 126.5f, NAN, INFINITY, -INFINITY, 1e30f, -1e30f},
      {0, 0, 2, 2, 126, 0, limits::max(), limits::min(), limits::max(), limits::min()});
}

TEST(ConvertTest, IntegersRoundToEvenAndSaturate) {
  expectSaturation<uint8_t>(DType::U8);
  expectSaturation<int8_t>(DType::I8);
  expectSaturation<uint16_t>(DType::U16);
  expectSaturation<int16_t>(DType::I16);
  expectSaturation<uint32_t>(DType::U32);
  expectSaturation<int32_t>(DType::I32);
  expectSaturation<uint64_t>(DType::U64);
  expectSaturation<int64_t>(DType::I64);
  expectIntegers<int8_t>(DType::I8, {-0.5f, -1.5f, -128.4f, 127.5f, -128.6f},
                         {0, -2, -128, 127, -128});
  expectIntegers<uint8_t>(DType::Bool, {0, -0.0f, 2, -1}, {0, 0, 1, 1});
}

TEST(ConvertTest, DoublesRoundOnceToFloat) {
  double stored[] = {1.0, 0.1, 1 + 0x1p-24, 1 + 0x3p-24, 1e300, -1e-300};
  std::vector<float> values(6);
  convertToFloat(DType::F64, {reinterpret_cast<const char *>(stored), sizeof stored}, values);
  EXPECT_EQ(values, (std::vector<float>{1, 0.1f, 1, 1 + 0x4p-24f, INFINITY, -0.0f}));
  double back[6];
  convertFromFloat(DType::F64, values, {reinterpret_cast<char *>(back), sizeof back});
  EXPECT_EQ(back[1], double(0.1f));
}

} // namespace
