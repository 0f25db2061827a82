// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AutoAWQ's GEMM layout: 4 bits, eight neighbouring outputs in a word, in the order in which its
// kernel unpacks pairs of halves.

#include "LayerCodec.h"

#include <cstring>

using namespace llvm;
using ptq::numerics::QuantizedWeight;

namespace ptq::checkpoint::codec {

/// Nibble i holds column order[i] of its eight.
static constexpr int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};

/// Signed codes [rows, columns], columns a multiple of 8, as words [rows, columns / 8].
static std::vector<uint32_t> pack(ArrayRef<int8_t> codes) {
  std::vector<uint32_t> words(codes.size() / 8);
  for (size_t c = 0; c < words.size(); ++c)
    for (int i = 0; i < 8; ++i)
      words[c] |= uint32_t(codes[8 * c + order[i]] + 8) << (4 * i);
  return words;
}

static std::vector<int8_t> unpack(ArrayRef<uint32_t> words) {
  std::vector<int8_t> codes(words.size() * 8);
  for (size_t c = 0; c < words.size(); ++c)
    for (int i = 0; i < 8; ++i)
      codes[8 * c + order[i]] = int8_t(int(words[c] >> (4 * i) & 15) - 8);
  return codes;
}

Encoded encodeAwq(const QuantizedWeight &weight, DType scaleType) {
  int64_t in = weight.columns, out = weight.rows, groups = weight.groups();
  if (weight.scheme.bits != 4)
    return createStringError("awq holds 4-bit codes, not " + Twine(weight.scheme.bits) +
                             "-bit ones");
  if (!weight.groupIndex.empty())
    return createStringError("awq's groups are consecutive channels, and its are not; round with "
                             "order=group-aware or static-groups=true");
  if (out % 8 != 0)
    return createStringError("awq packs eight outputs to a word, which " + Twine(out) +
                             " outputs do not fill; use compressed-tensors");
  std::vector<LayerTensor> result;
  result.push_back(makeTensor<uint32_t>("qweight", DType::I32, {in, out / 8},
                                        pack(transpose<int8_t>(weight.codes, out, in))));
  result.push_back(
      makeTensor<uint32_t>("qzeros", DType::I32, {groups, out / 8},
                           pack(transpose<int8_t>(expandZeroPoints(weight), out, groups))));
  result.push_back(makeScales("scales", scaleType, {groups, out},
                              transpose<float>(expandScales(weight), out, groups)));
  return result;
}

Decoded decodeAwq(const StoredScheme &scheme, LayerLookup lookup) {
  Expected<TensorView> qweight = require(lookup, "qweight", {DType::I32}, 2);
  if (!qweight)
    return qweight.takeError();
  Expected<TensorView> qzeros = require(lookup, "qzeros", {DType::I32}, 2);
  if (!qzeros)
    return qzeros.takeError();
  Expected<TensorView> scales = require(lookup, "scales", scaleTypes, 2);
  if (!scales)
    return scales.takeError();
  QuantizedWeight weight;
  weight.columns = qweight->info->shape[0];
  weight.rows = qweight->info->shape[1] * 8;
  weight.scheme.bits = 4;
  weight.scheme.symmetric = false;
  int64_t groups = scales->info->shape[0];
  if (Error error = checkShape(*scales, {groups, weight.rows}))
    return std::move(error);
  if (Error error = checkShape(*qzeros, {groups, weight.rows / 8}))
    return std::move(error);
  if (Error error = setGroups(weight, groups, scheme, {}))
    return std::move(error);
  Expected<std::vector<float>> values = finiteFloats(*scales);
  if (!values)
    return values.takeError();
  weight.scales = transpose<float>(*values, groups, weight.rows);
  weight.codes =
      transpose<int8_t>(unpack(elements<uint32_t>(*qweight)), weight.columns, weight.rows);
  weight.zeroPoints = transpose<int8_t>(unpack(elements<uint32_t>(*qzeros)), groups, weight.rows);
  return weight;
}

} // namespace ptq::checkpoint::codec
