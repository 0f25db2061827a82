// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formats' layouts, against words written down from their specifications and against a decoder
// that reads one value at a time; and that nothing is lost on the way through any of them.
//
#include "ptq/Checkpoint/QuantizedLayer.h"

#include "TestFiles.h"
#include "gmock/gmock.h"
#include <cstring>
#include <random>

using namespace ptq::checkpoint;
using namespace ptq::numerics;
using namespace ptq::test;
using testing::HasSubstr;

namespace {

QuantizedWeight makeWeight(unsigned bits, bool symmetric, int64_t rows, int64_t columns,
                           int64_t groupSize, bool shuffled = false) {
  std::mt19937 random(bits * 131 + rows);
  QuantizedWeight weight;
  weight.rows = rows;
  weight.columns = columns;
  weight.scheme.bits = bits;
  weight.scheme.symmetric = symmetric;
  weight.scheme.granularity = groupSize ? Granularity::PerGroup : Granularity::PerChannel;
  weight.scheme.groupSize = groupSize;
  std::uniform_int_distribution<int> code(weight.scheme.minCode(), weight.scheme.maxCode());
  std::uniform_int_distribution<int> zero(weight.scheme.minCode() + 1, weight.scheme.maxCode());
  for (int64_t i = 0; i < rows * columns; ++i)
    weight.codes.push_back(code(random));
  for (int64_t i = 0; i < rows * weight.groups(); ++i) {
    weight.scales.push_back(float(1 + random() % 1000) / 4096); // exact in binary16
    if (!symmetric)
      weight.zeroPoints.push_back(zero(random));
  }
  if (shuffled) {
    for (int64_t j = 0; j < columns; ++j)
      weight.groupIndex.push_back(j / groupSize);
    std::shuffle(weight.groupIndex.begin(), weight.groupIndex.end(), random);
  }
  return weight;
}

/// Encoded tensors as a file would offer them.
struct Stored {
  std::vector<LayerTensor> tensors;
  std::vector<TensorInfo> infos;

  explicit Stored(std::vector<LayerTensor> encoded) : tensors(std::move(encoded)) {
    for (const LayerTensor &tensor : tensors)
      infos.push_back({tensor.suffix, tensor.dtype, tensor.shape, 0, tensor.data.size()});
  }
  std::optional<TensorView> operator()(llvm::StringRef suffix) const {
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].suffix == suffix)
        return TensorView{&infos[i], tensors[i].data, nullptr};
    return std::nullopt;
  }
  const LayerTensor &get(llvm::StringRef suffix) const {
    for (const LayerTensor &tensor : tensors)
      if (tensor.suffix == suffix)
        return tensor;
    ADD_FAILURE() << "no tensor " << suffix.str();
    return tensors.front();
  }
  LayerTensor &get(llvm::StringRef suffix) {
    return const_cast<LayerTensor &>(std::as_const(*this).get(suffix));
  }
  uint32_t word(llvm::StringRef suffix, size_t index) const {
    uint32_t result;
    std::memcpy(&result, get(suffix).data.data() + 4 * index, 4);
    return result;
  }
};

StoredScheme schemeOf(const QuantizedWeight &weight) {
  return {weight.scheme.bits, weight.scheme.symmetric,
          weight.scheme.granularity == Granularity::PerGroup ? weight.scheme.groupSize : -1};
}

void expectSame(const QuantizedWeight &a, const QuantizedWeight &b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.columns, b.columns);
  EXPECT_EQ(a.scheme.granularity, b.scheme.granularity);
  EXPECT_EQ(a.scheme.groupSize, b.scheme.groupSize);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.zeroPoints, b.zeroPoints);
  EXPECT_EQ(a.groupIndex, b.groupIndex);
}

void expectRoundTrip(const QuantizedWeight &weight, QuantizedFormat format) {
  SCOPED_TRACE(toString(format).str() + " " + std::to_string(weight.scheme.bits));
  Stored stored(valueOf(encodeLayer(weight, format, DType::F16)));
  expectSame(valueOf(decodeLayer(format, schemeOf(weight), stored)), weight);
}

TEST(QuantizedLayer, RoundTripsInEveryFormat) {
  for (bool symmetric : {true, false})
    for (int64_t groupSize : {0, 32, 64}) {
      for (unsigned bits : {2u, 3u, 4u, 8u})
        for (bool shuffled : {false, true}) {
          if (shuffled && groupSize != 32)
            continue;
          QuantizedWeight weight = makeWeight(bits, symmetric, 32, 64, groupSize, shuffled);
          expectRoundTrip(weight, QuantizedFormat::Gptq);
          expectRoundTrip(weight, QuantizedFormat::GptqV2);
          expectRoundTrip(weight, QuantizedFormat::PackQuantized);
        }
      for (unsigned bits : {5u, 6u, 7u})
        expectRoundTrip(makeWeight(bits, symmetric, 7, 64, groupSize),
                        QuantizedFormat::PackQuantized);
      expectRoundTrip(makeWeight(8, symmetric, 5, 64, groupSize), QuantizedFormat::IntQuantized);
    }
  expectRoundTrip(makeWeight(4, false, 24, 64, 32), QuantizedFormat::Awq);
  expectRoundTrip(makeWeight(4, false, 24, 64, 0), QuantizedFormat::Awq);
}

TEST(QuantizedLayer, KeepsAScalePerTensor) {
  QuantizedWeight weight = makeWeight(8, true, 4, 32, 0);
  weight.scheme.granularity = Granularity::PerTensor;
  weight.scales.resize(1);
  expectRoundTrip(weight, QuantizedFormat::IntQuantized);
  expectRoundTrip(weight, QuantizedFormat::PackQuantized);
}

/// Field `index` of a stream of `bits`-bit fields whose words are `stride` apart.
unsigned field(const Stored &stored, llvm::StringRef suffix, int64_t index, unsigned bits,
               int64_t start, int64_t stride) {
  unsigned value = 0;
  for (unsigned b = 0; b < bits; ++b) {
    int64_t bit = index * bits + b;
    value |= (stored.word(suffix, start + bit / 32 * stride) >> (bit % 32) & 1) << b;
  }
  return value;
}

TEST(QuantizedLayer, GptqPacksCodesAlongInAndZeroPointsAlongOut) {
  for (unsigned bits : {2u, 3u, 4u, 8u})
    for (bool v2 : {false, true}) {
      QuantizedWeight weight = makeWeight(bits, false, 32, 64, 32);
      Stored stored(valueOf(
          encodeLayer(weight, v2 ? QuantizedFormat::GptqV2 : QuantizedFormat::Gptq, DType::F16)));
      int half = 1 << (bits - 1);
      EXPECT_EQ(stored.get("qweight").shape, (llvm::SmallVector<int64_t, 4>{2 * bits, 32}));
      for (int64_t n = 0; n < 32; ++n) {
        for (int64_t k = 0; k < 64; ++k)
          ASSERT_EQ(int(field(stored, "qweight", k, bits, n, 32)), weight.codes[n * 64 + k] + half);
        for (int64_t g = 0; g < 2; ++g)
          ASSERT_EQ(int(field(stored, "qzeros", n, bits, g * bits, 1)),
                    weight.zeroPoints[n * 2 + g] + half - (v2 ? 0 : 1));
      }
    }
}

TEST(QuantizedLayer, GptqStoresSymmetricZeroPointsAsEveryoneDoes) {
  QuantizedWeight weight = makeWeight(4, true, 8, 32, 32);
  Stored v1(valueOf(encodeLayer(weight, QuantizedFormat::Gptq, DType::F16)));
  EXPECT_EQ(v1.word("qzeros", 0), 0x77777777u);
  Stored v2(valueOf(encodeLayer(weight, QuantizedFormat::GptqV2, DType::F16)));
  EXPECT_EQ(v2.word("qzeros", 0), 0x88888888u);
  EXPECT_THAT(messageOf(decodeLayer(QuantizedFormat::Gptq, schemeOf(weight), v2)),
              HasSubstr("mislabelled; read it with format=gptq_v2"));
  EXPECT_THAT(messageOf(decodeLayer(QuantizedFormat::GptqV2, schemeOf(weight), v1)),
              HasSubstr("mislabelled; read it with format=gptq"));
}

TEST(QuantizedLayer, AwqInterleavesEightOutputs) {
  QuantizedWeight weight = makeWeight(4, false, 8, 1, 0);
  weight.codes = {-8, -7, -6, -5, -4, -3, -2, -1}; // unsigned 0, 1, ..., 7
  Stored stored(valueOf(encodeLayer(weight, QuantizedFormat::Awq, DType::F16)));
  EXPECT_EQ(stored.word("qweight", 0), 0x75316420u);
}

TEST(QuantizedLayer, ReadsTheOlderPacking) {
  // 61 codes of 3 bits are 6 dense words, but 7 of ten codes each.
  QuantizedWeight weight = makeWeight(3, true, 2, 61, 0);
  std::vector<uint32_t> words(2 * 7);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 61; ++j)
      words[i * 7 + j / 10] |= uint32_t(weight.codes[i * 61 + j] + 4) << (3 * (j % 10));
  Stored stored(valueOf(encodeLayer(weight, QuantizedFormat::PackQuantized, DType::F32)));
  EXPECT_EQ(stored.get("weight_packed").shape[1], 6);
  LayerTensor old = stored.get("weight_packed");
  old.shape = {2, 7};
  old.data.assign(reinterpret_cast<char *>(words.data()),
                  reinterpret_cast<char *>(words.data() + words.size()));
  std::vector<LayerTensor> tensors = stored.tensors;
  tensors.front() = old;
  expectSame(valueOf(decodeLayer(QuantizedFormat::PackQuantized, schemeOf(weight),
                                 Stored(std::move(tensors)))),
             weight);
}

TEST(QuantizedLayer, SaysWhatAFormatCannotHold) {
  auto refusal = [](const QuantizedWeight &weight, QuantizedFormat format) {
    return messageOf(encodeLayer(weight, format, DType::F16));
  };
  EXPECT_THAT(refusal(makeWeight(5, true, 32, 64, 32), QuantizedFormat::Gptq),
              HasSubstr("2, 3, 4 or 8 bits, not 5"));
  EXPECT_THAT(refusal(makeWeight(4, true, 12, 64, 32), QuantizedFormat::Gptq),
              HasSubstr("12 outputs of 4 bits do not fill"));
  EXPECT_THAT(refusal(makeWeight(4, true, 12, 64, 32), QuantizedFormat::Awq),
              HasSubstr("12 outputs do not fill"));
  EXPECT_THAT(refusal(makeWeight(3, true, 32, 64, 32), QuantizedFormat::Awq),
              HasSubstr("4-bit codes, not 3-bit"));
  EXPECT_THAT(refusal(makeWeight(4, true, 32, 64, 32, true), QuantizedFormat::Awq),
              HasSubstr("order=group-aware"));
  QuantizedWeight lowest = makeWeight(4, false, 32, 64, 32);
  lowest.zeroPoints[5] = -8;
  EXPECT_THAT(refusal(lowest, QuantizedFormat::Gptq), HasSubstr("use format=gptq_v2"));
  expectRoundTrip(lowest, QuantizedFormat::GptqV2);
  QuantizedWeight inexact = makeWeight(4, true, 32, 64, 32);
  inexact.scales[3] = 0.1f;
  EXPECT_THAT(refusal(inexact, QuantizedFormat::Gptq), HasSubstr("round them first"));
}

TEST(QuantizedLayer, RoundsScalesAndSaysByHowMuch) {
  std::vector<float> scales{0.5f, 0.1f};
  double change = valueOf(roundScales(scales, DType::BF16));
  EXPECT_EQ(scales[0], 0.5f);
  EXPECT_NEAR(change, std::abs(scales[1] - 0.1f) / 0.1f, 1e-9);
  EXPECT_GT(change, 1e-4);
  EXPECT_EQ(valueOf(roundScales(scales, DType::BF16)), 0.0);
  std::vector<float> tiny{1e-12f};
  EXPECT_THAT(messageOf(roundScales(tiny, DType::F16)), HasSubstr("no place in F16"));
}

TEST(QuantizedLayer, RefusesDamagedTensors) {
  QuantizedWeight weight = makeWeight(4, true, 32, 64, 32);
  Stored good(valueOf(encodeLayer(weight, QuantizedFormat::Gptq, DType::F16)));
  auto read = [&](auto change) {
    std::vector<LayerTensor> tensors = good.tensors;
    for (LayerTensor &tensor : tensors)
      change(tensor);
    return messageOf(
        decodeLayer(QuantizedFormat::Gptq, schemeOf(weight), Stored(std::move(tensors))));
  };
  EXPECT_THAT(read([](LayerTensor &t) { t.suffix += "x"; }), HasSubstr("'qweight' is missing"));
  EXPECT_THAT(read([](LayerTensor &t) {
                if (t.suffix == "g_idx")
                  t.data[0] = 2;
              }),
              HasSubstr("group index has 2 at channel 0"));
  EXPECT_THAT(read([](LayerTensor &t) {
                if (t.suffix == "scales")
                  t.data[0] = 0, t.data[1] = 0x7c;
              }),
              HasSubstr("not finite"));
  EXPECT_THAT(read([](LayerTensor &t) {
                if (t.suffix == "qzeros")
                  t.shape = {1, 8};
              }),
              HasSubstr("others call for I32 [2, 4]"));
}

TEST(QuantizedLayer, MeanCodeShowsAWrongOffset) {
  QuantizedWeight weight = makeWeight(4, false, 64, 256, 32);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 256; ++j) {
      int64_t p = weight.parameterIndex(i, j);
      weight.zeroPoints[p] = 0;
      weight.codes[i * 256 + j] = int((i * 7 + j * 5) % 15) - 7;
    }
  EXPECT_LT(std::abs(meanCode(weight)), 0.1);
  Stored stored(valueOf(encodeLayer(weight, QuantizedFormat::GptqV2, DType::F16)));
  QuantizedWeight wrong = valueOf(decodeLayer(QuantizedFormat::Gptq, schemeOf(weight), stored));
  EXPECT_NEAR(meanCode(wrong), -1, 0.1);
}

} // namespace
