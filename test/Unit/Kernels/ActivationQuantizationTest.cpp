// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantization of activations in the emulator: without a norm equal to lib/Numerics bit for bit,
// with one to a host model of its roundings.

#include "ptq/Kernels/ActivationQuantization.h"
#include "KernelHarness.h"
#include "ptq/Numerics/ActivationRounding.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;
using Norm = ActivationQuantizationSpec::Norm;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<float> randomFloats(int64_t count, mlir::Type type, float spread, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0, spread);
  std::vector<float> values(count);
  for (float &value : values)
    value = roundTo(distribution(generator), type);
  return values;
}

/// A kernel's operands and results as float32s and int8s.
struct Case {
  ActivationQuantizationSpec spec;
  int64_t m = 0;
  std::vector<float> x, channelScales, gamma, beta, scales;
  std::vector<int8_t> zeroPoints, codes;
  emulator::KernelCounters counters;

  void runOn(llvm::StringRef chip);
  void fill(unsigned seed);
  void expectReference();

private:
  std::vector<float> normalized() const;
};

Bytes zeroPointBytes(const std::vector<int8_t> &values, mlir::Type type) {
  if (type.isInteger(8))
    return bytesOf(values);
  return bytesOf(std::vector<int32_t>(values.begin(), values.end()));
}

} // namespace

void Case::runOn(llvm::StringRef chip) {
  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) { emitActivationQuantization(module, "kernel", spec); },
      chip);
  RowDivision division = *divideRows(spec);
  std::vector<Bytes> inputs{toType(x, spec.inputType)};
  if (spec.channelScaleType)
    inputs.push_back(toType(channelScales, spec.channelScaleType));
  if (spec.gammaType)
    inputs.push_back(toType(gamma, spec.gammaType));
  if (spec.betaType)
    inputs.push_back(toType(beta, spec.betaType));
  int64_t parameters = spec.dynamic || spec.perToken ? m : 1;
  int64_t zeroBytes = spec.zeroPointType ? spec.zeroPointType.getIntOrFloatBitWidth() / 8 : 0;
  std::vector<int64_t> outputs{m * spec.k};
  if (spec.dynamic) {
    outputs.push_back(parameters * spec.scaleType.getIntOrFloatBitWidth() / 8);
    if (zeroBytes)
      outputs.push_back(parameters * zeroBytes);
  } else {
    inputs.push_back(toType(scales, spec.scaleType));
    if (zeroBytes)
      inputs.push_back(zeroPointBytes(zeroPoints, spec.zeroPointType));
  }
  KernelOutputs done = runWithOutputs(ptx, llvm::divideCeil(m, division.rowsPerBlock),
                                      division.threads(), sharedBytes(spec), inputs, outputs, m);
  ASSERT_EQ(done.outputs.size(), outputs.size());
  counters = std::move(done.counters);
  codes.assign(done.outputs[0].begin(), done.outputs[0].end());
  if (!spec.dynamic)
    return;
  scales = fromType(done.outputs[1], spec.scaleType);
  zeroPoints.clear();
  for (int64_t i = 0; zeroBytes && i < parameters; ++i) {
    int32_t z = 0;
    std::memcpy(&z, done.outputs[2].data() + i * zeroBytes, zeroBytes);
    zeroPoints.push_back(zeroBytes == 1 ? static_cast<int8_t>(z) : z);
  }
}

void Case::fill(unsigned seed) {
  x = randomFloats(m * spec.k, spec.inputType, 3, seed);
  auto vector = [&](mlir::Type type, float base) {
    std::vector<float> values = randomFloats(spec.k, type, 0.3f, ++seed);
    for (float &value : values)
      value = roundTo(base + value, type);
    return values;
  };
  if (spec.channelScaleType)
    channelScales = vector(spec.channelScaleType, 1.5f);
  if (spec.gammaType)
    gamma = vector(spec.gammaType, 1);
  if (spec.betaType)
    beta = vector(spec.betaType, 0);
  if (spec.dynamic)
    return;
  for (int64_t i = 0; i < (spec.perToken ? m : 1); ++i) {
    scales.push_back(roundTo(0.02f * (i % 5 + 1), spec.scaleType));
    if (spec.zeroPointType)
      zeroPoints.push_back(i % 3 * 5 - 7);
  }
}

/// The kernel's values before they are quantized: sums in float64, all else in float32 and rounded
/// where the specification says.
std::vector<float> Case::normalized() const {
  if (spec.norm == Norm::None)
    return x;
  int64_t k = spec.k;
  auto rounded = [](float value, mlir::Type type) { return type ? roundTo(value, type) : value; };
  std::vector<float> y = x;
  for (int64_t i = 0; i < m; ++i) {
    llvm::MutableArrayRef<float> row(y.data() + i * k, k);
    double total = std::accumulate(row.begin(), row.end(), 0.0), wideSquares = 0, squares = 0;
    for (float value : row)
      wideSquares += (value - total / k) * (value - total / k);
    if (spec.norm == Norm::Layer)
      for (float &value : row)
        value -= float(total) / float(k);
    for (float value : row)
      squares += value * value;
    float variance = spec.wideVariance ? float(wideSquares / k) : float(squares) / float(k);
    float factor = 1 / std::sqrt(variance + spec.epsilon);
    for (int64_t c = 0; c < k; ++c) {
      row[c] = rounded(row[c] * factor, spec.normalizedType);
      if (spec.gammaType)
        row[c] *= gamma[c];
      if (spec.betaType)
        row[c] += beta[c];
      row[c] = rounded(row[c], spec.resultType);
    }
  }
  return y;
}

void Case::expectReference() {
  std::vector<float> y = normalized();
  // A double's norm: the kernel's values are near what the formula says.
  for (int64_t i = 0; spec.norm != Norm::None && i < m; ++i) {
    double mean = 0, square = 0;
    for (int64_t c = 0; spec.norm == Norm::Layer && c < spec.k; ++c)
      mean += double(x[i * spec.k + c]) / spec.k;
    for (int64_t c = 0; c < spec.k; ++c)
      square += std::pow(x[i * spec.k + c] - mean, 2) / spec.k;
    for (int64_t c = 0; c < spec.k; ++c) {
      double exact = (x[i * spec.k + c] - mean) / std::sqrt(square + spec.epsilon) *
                         (gamma.empty() ? 1 : gamma[c]) +
                     (beta.empty() ? 0 : beta[c]);
      double bound = spec.resultType ? 2e-2 : 2e-5;
      ASSERT_NEAR(y[i * spec.k + c], exact, bound * (std::abs(exact) + 1)) << i << ", " << c;
    }
  }
  numerics::ConstMatrix matrix(y.data(), m, spec.k);
  numerics::ActivationScheme scheme{spec.bits, spec.symmetric};
  if (spec.dynamic) {
    std::vector<float> wanted(m);
    std::vector<int8_t> wantedZeros(spec.symmetric ? 0 : m);
    numerics::computeTokenParameters(matrix, channelScales, scheme, wanted, wantedZeros);
    for (int64_t i = 0; i < m; ++i) {
      float scale = roundTo(wanted[i], spec.scaleType);
      if (std::isnan(scale))
        ASSERT_TRUE(std::isnan(scales[i])) << i;
      else
        ASSERT_EQ(scales[i], scale) << i;
    }
    ASSERT_EQ(zeroPoints, wantedZeros);
  }
  std::vector<int8_t> wantedCodes(m * spec.k);
  numerics::quantizeActivations(matrix, channelScales, scheme, scales, zeroPoints,
                                numerics::MatrixRef<int8_t>(wantedCodes.data(), m, spec.k));
  for (int64_t i = 0; i < m * spec.k; ++i)
    ASSERT_EQ(codes[i], wantedCodes[i]) << i / spec.k << ", " << i % spec.k;
}

namespace {

class ActivationQuantization : public testing::TestWithParam<const char *> {
protected:
  mlir::Builder b{&context()};
  mlir::Type f16 = b.getF16Type(), bf16 = b.getBF16Type(), f32 = b.getF32Type();
  std::vector<mlir::Type> types{f16, bf16, f32};

  void check(Case test, unsigned seed = 1) {
    SCOPED_TRACE(testing::Message() << test.m << "x" << test.spec.k);
    test.fill(seed);
    test.runOn(GetParam());
    if (HasFatalFailure())
      return;
    test.expectReference();
    EXPECT_EQ(test.counters.total.shared.wavefronts, test.counters.total.shared.idealWavefronts);
    if (test.spec.k % 32 == 0)
      EXPECT_EQ(test.counters.total.global.sectors, test.counters.total.global.idealSectors);
  }
  Case make(int64_t m, int64_t k, mlir::Type input) {
    Case test;
    test.m = m;
    test.spec.k = k;
    test.spec.inputType = input;
    test.spec.scaleType = f32;
    return test;
  }
};

/// Rows and columns; the largest few only in one type, as the emulator takes its time.
struct Shape {
  int64_t m, k;
};
const Shape smallShapes[] = {{1, 1}, {3, 7}, {3, 32}, {64, 32}, {5, 33}, {3, 576}, {1, 4100}};

} // namespace

TEST_P(ActivationQuantization, DynamicEqualsNumerics) {
  for (mlir::Type type : types) {
    for (Shape shape : smallShapes)
      check(make(shape.m, shape.k, type));
    check(make(3, 4096, type));
    check(make(1, 11008, type));
  }
}

TEST_P(ActivationQuantization, AsymmetricEqualsNumerics) {
  for (mlir::Type type : types)
    for (Shape shape : smallShapes)
      for (unsigned bits : {8u, 4u}) {
        Case test = make(shape.m, shape.k, type);
        test.spec.symmetric = false;
        test.spec.bits = bits;
        test.spec.zeroPointType = bits == 8 ? b.getI8Type() : b.getI32Type();
        test.spec.scaleType = type;
        check(test);
      }
}

TEST_P(ActivationQuantization, ChannelScalesEqualNumerics) {
  for (mlir::Type type : types)
    for (mlir::Type scaleType : {f16, f32})
      for (Shape shape : smallShapes) {
        Case test = make(shape.m, shape.k, type);
        test.spec.channelScaleType = scaleType;
        test.spec.bits = scaleType.isF16() ? 4 : 8;
        check(test);
      }
}

TEST_P(ActivationQuantization, StaticEqualsNumerics) {
  for (mlir::Type type : types)
    for (bool perToken : {false, true})
      for (Shape shape : smallShapes) {
        Case test = make(shape.m, shape.k, type);
        test.spec.dynamic = false;
        test.spec.perToken = perToken;
        test.spec.scaleType = type;
        if (!perToken || type.isF16()) {
          test.spec.symmetric = false;
          test.spec.zeroPointType = perToken ? b.getI32Type() : b.getI8Type();
        }
        check(test);
      }
}

TEST_P(ActivationQuantization, NormsEqualTheHostModel) {
  for (mlir::Type type : types)
    for (Norm norm : {Norm::RMS, Norm::Layer})
      for (bool dynamic : {true, false})
        for (Shape shape : {Shape{3, 7}, {5, 33}, {3, 576}, {1, 4096}, {1, 4100}}) {
          Case test = make(shape.m, shape.k, type);
          test.spec.norm = norm;
          test.spec.epsilon = 1e-5f;
          test.spec.dynamic = dynamic;
          test.spec.perToken = false;
          test.spec.gammaType = dynamic ? type : f32;
          if (norm == Norm::Layer)
            test.spec.betaType = test.spec.gammaType;
          test.spec.wideVariance = norm == Norm::Layer && shape.k != 4100;
          if (shape.k == 576)
            test.spec.channelScaleType = f32;
          if (shape.k == 33)
            test.spec.gammaType = test.spec.betaType = nullptr;
          if (shape.k == 7 && type != f32)
            test.spec.normalizedType = test.spec.resultType = type;
          check(test);
        }
}

TEST_P(ActivationQuantization, SpecialValues) {
  float nan = std::nanf("");
  for (mlir::Type type : types)
    for (bool symmetric : {true, false})
      for (bool dynamic : {true, false}) {
        int64_t k = 40;
        Case test = make(9, k, type);
        test.spec.symmetric = symmetric;
        test.spec.dynamic = dynamic;
        test.spec.scaleType = type;
        if (!symmetric)
          test.spec.zeroPointType = b.getI8Type();
        test.fill(3);
        auto set = [&](int64_t row, int64_t column, float value) {
          test.x[row * k + column] = roundTo(value, type);
        };
        set(0, 3, nan), set(1, 39, infinity), set(2, 0, -infinity);
        set(3, 1, nan), set(3, 2, -infinity);
        for (int64_t c = 0; c < k; ++c) {
          set(4, c, 0);
          set(5, c, c * 1e-41f);
          set(6, c, (c % 2 ? 1 : -1) * (type.isF16() ? 65504.0f : 3.3e38f));
          set(7, c, -float(c + 1));
          set(8, c, (c - 20) * 6e-8f);
        }
        const float scales[] = {1, 1, 0, nan, 0, 1e-40f, infinity, 0.5f, 6e-8f};
        if (!dynamic)
          for (auto [i, scale] : llvm::enumerate(scales))
            test.scales[i] = roundTo(scale, type);
        test.runOn(GetParam());
        ASSERT_FALSE(HasFatalFailure());
        test.expectReference();
      }
}

/// Quotients that are within a rounding of a half: a division that is not rounded correctly, or
/// twice, moves their codes.
TEST_P(ActivationQuantization, QuotientsNearHalves) {
  Case test = make(64, 576, f32);
  test.fill(5);
  for (int64_t i = 0; i < test.m; ++i) {
    float *row = test.x.data() + i * test.spec.k;
    float scale = std::abs(row[0]) + 0.01f;
    row[0] = 127 * scale;
    scale = row[0] / 127;
    for (int64_t c = 1; c < test.spec.k; ++c) {
      row[c] = (float(c % 253) - 126.5f) * scale;
      for (int64_t step = 0; step < c / 253; ++step)
        row[c] = std::nextafter(row[c], i % 2 ? infinity : -infinity);
    }
  }
  test.runOn(GetParam());
  ASSERT_FALSE(HasFatalFailure());
  test.expectReference();
}

TEST_P(ActivationQuantization, RowsThatDoNotFitAreDeclined) {
  EXPECT_TRUE(divideRows(make(1, 32768, f32).spec));
  EXPECT_TRUE(divideRows(make(1, 32767, f16).spec));
  EXPECT_FALSE(divideRows(make(1, 32769, bf16).spec));
}

INSTANTIATE_TEST_SUITE_P(Chips, ActivationQuantization,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90a"),
                         [](const auto &info) { return std::string(info.param); });
