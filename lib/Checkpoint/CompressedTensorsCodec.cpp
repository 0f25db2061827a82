// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layouts of compressed-tensors: pack-quantized, a dense bit stream for each row, and
// int-quantized, a byte for each code.

#include "LayerCodec.h"
#include "ptq/Numerics/Packing.h"

#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace llvm;
using ptq::numerics::Granularity;
using ptq::numerics::packCodes;
using ptq::numerics::packedWords;
using ptq::numerics::QuantizedWeight;
using ptq::numerics::unpackCodes;

namespace ptq::checkpoint::codec {

/// The older packing: 32 / bits codes to a word, the bits above them zero.
static std::vector<int8_t> unpackWhole(ArrayRef<uint32_t> words, int64_t rows, int64_t columns,
                                       unsigned bits) {
  int64_t perWord = 32 / bits, width = (columns + perWord - 1) / perWord;
  std::vector<int8_t> codes(rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      uint32_t field = words[i * width + j / perWord] >> (bits * (j % perWord));
      codes[i * columns + j] = int8_t(int(field & ((1u << bits) - 1)) - (int(1) << (bits - 1)));
    }
  return codes;
}

/// Codes [rows, columns] from packed rows in the form that their width says.
static Expected<std::vector<int8_t>> unpackEither(ArrayRef<uint32_t> words, int64_t rows,
                                                  int64_t columns, unsigned bits,
                                                  StringRef tensor) {
  int64_t width = words.size() / rows, perWord = 32 / bits;
  if (width == packedWords(columns, bits))
    return unpackCodes(words, rows, columns, bits);
  if (width == (columns + perWord - 1) / perWord)
    return unpackWhole(words, rows, columns, bits);
  return createStringError("its tensor '" + tensor + "' has " + Twine(width) + " words for each " +
                           Twine(columns) + " codes of " + Twine(bits) + " bits; " +
                           Twine(packedWords(columns, bits)) + " belong there");
}

static SmallVector<int64_t, 2> scaleShape(const QuantizedWeight &weight) {
  if (weight.scheme.granularity == Granularity::PerTensor)
    return {1};
  return {weight.rows, weight.groups()};
}

/// Scales of [out, groups], [out] or one for all, and how many a row has.
static Error readScales(QuantizedWeight &weight, const StoredScheme &scheme, LayerLookup lookup,
                        std::vector<int32_t> groupIndex) {
  std::optional<TensorView> tensor = lookup("weight_scale");
  size_t rank = tensor ? tensor->info->shape.size() : 2;
  Expected<TensorView> scales =
      require(lookup, "weight_scale", scaleTypes, std::min<size_t>(rank, 2));
  if (!scales)
    return scales.takeError();
  int64_t count = scales->info->numElements();
  if (count == 1 && (rank < 2 || weight.rows > 1)) {
    weight.scheme.granularity = Granularity::PerTensor;
    weight.scheme.groupSize = 0;
  } else {
    int64_t groups = rank == 2 ? scales->info->shape[1] : 1;
    if (scales->info->shape[0] != weight.rows)
      return createStringError("its tensor 'weight_scale' has scales for " +
                               Twine(scales->info->shape[0]) + " outputs, not for " +
                               Twine(weight.rows));
    if (Error error = setGroups(weight, groups, scheme, std::move(groupIndex)))
      return error;
  }
  Expected<std::vector<float>> values = finiteFloats(*scales);
  if (!values)
    return values.takeError();
  weight.scales = std::move(*values);
  return Error::success();
}

Encoded encodePackQuantized(const QuantizedWeight &weight, DType scaleType) {
  unsigned bits = weight.scheme.bits;
  int64_t in = weight.columns, out = weight.rows;
  int64_t shape[] = {out, in};
  std::vector<LayerTensor> result;
  result.push_back(makeTensor<uint32_t>("weight_packed", DType::I32, {out, packedWords(in, bits)},
                                        packCodes(weight.codes, out, in, bits)));
  result.push_back(makeScales("weight_scale", scaleType, scaleShape(weight), weight.scales));
  result.push_back(makeTensor<int64_t>("weight_shape", DType::I64, {2}, shape));
  if (!weight.zeroPoints.empty()) {
    if (weight.scheme.granularity == Granularity::PerTensor)
      return createStringError("pack-quantized holds no zero point per tensor; round per channel");
    int64_t groups = weight.groups(), words = packedWords(out, bits);
    std::vector<uint32_t> packed =
        packCodes(transpose<int8_t>(weight.zeroPoints, out, groups), groups, out, bits);
    result.push_back(makeTensor<uint32_t>("weight_zero_point", DType::I32, {words, groups},
                                          transpose<uint32_t>(packed, groups, words)));
  }
  if (!weight.groupIndex.empty())
    result.push_back(makeTensor<int32_t>("weight_g_idx", DType::I32, {in}, weight.groupIndex));
  return result;
}

Decoded decodePackQuantized(const StoredScheme &scheme, LayerLookup lookup) {
  Expected<TensorView> packed = require(lookup, "weight_packed", {DType::I32}, 2);
  if (!packed)
    return packed.takeError();
  Expected<TensorView> shapeTensor = require(lookup, "weight_shape", {DType::I64, DType::I32}, 1);
  if (!shapeTensor)
    return shapeTensor.takeError();
  if (Error error = checkShape(*shapeTensor, {2}))
    return std::move(error);
  std::vector<int64_t> shape;
  if (shapeTensor->info->dtype == DType::I64)
    shape = elements<int64_t>(*shapeTensor);
  else
    for (int32_t extent : elements<int32_t>(*shapeTensor))
      shape.push_back(extent);
  QuantizedWeight weight;
  unsigned bits = weight.scheme.bits = scheme.bits;
  weight.rows = shape[0];
  weight.columns = shape[1];
  weight.scheme.symmetric = scheme.symmetric;
  // A word holds at most 32 / bits codes, which bounds what the file can make us allocate.
  if (weight.rows != packed->info->shape[0] || weight.columns <= 0 ||
      weight.columns > packed->info->shape[1] * 32 / int64_t(bits))
    return createStringError("its 'weight_shape' says " + Twine(weight.rows) + " x " +
                             Twine(weight.columns) + ", which 'weight_packed' cannot hold");
  std::vector<int32_t> groupIndex;
  if (lookup("weight_g_idx")) {
    Expected<TensorView> stored = require(lookup, "weight_g_idx", {DType::I32}, 1);
    if (!stored)
      return stored.takeError();
    if (Error error = checkShape(*stored, {weight.columns}))
      return std::move(error);
    groupIndex = elements<int32_t>(*stored);
    // -1 throughout is how it is stored where there is none.
    if (all_of(groupIndex, [](int32_t group) { return group == -1; }))
      groupIndex.clear();
  }
  if (Error error = readScales(weight, scheme, lookup, std::move(groupIndex)))
    return std::move(error);
  auto codes =
      unpackEither(elements<uint32_t>(*packed), weight.rows, weight.columns, bits, "weight_packed");
  if (!codes)
    return codes.takeError();
  weight.codes = std::move(*codes);
  if (scheme.symmetric)
    return weight;
  Expected<TensorView> zeros = require(lookup, "weight_zero_point", {DType::I32}, 2);
  if (!zeros)
    return zeros.takeError();
  int64_t groups = weight.groups(), words = zeros->info->shape[0];
  if (Error error = checkShape(*zeros, {words, groups}))
    return std::move(error);
  auto zeroPoints = unpackEither(transpose<uint32_t>(elements<uint32_t>(*zeros), words, groups),
                                 groups, weight.rows, bits, "weight_zero_point");
  if (!zeroPoints)
    return zeroPoints.takeError();
  weight.zeroPoints = transpose<int8_t>(*zeroPoints, groups, weight.rows);
  return weight;
}

Encoded encodeIntQuantized(const QuantizedWeight &weight, DType scaleType) {
  if (weight.scheme.bits != 8)
    return createStringError("int-quantized holds 8-bit codes, not " + Twine(weight.scheme.bits) +
                             "-bit ones");
  if (!weight.groupIndex.empty())
    return createStringError("int-quantized's groups are consecutive channels, and its are not; "
                             "round with order=group-aware or static-groups=true");
  SmallVector<int64_t, 2> shape = scaleShape(weight);
  std::vector<LayerTensor> result;
  result.push_back(
      makeTensor<int8_t>("weight", DType::I8, {weight.rows, weight.columns}, weight.codes));
  result.push_back(makeScales("weight_scale", scaleType, shape, weight.scales));
  if (!weight.zeroPoints.empty())
    result.push_back(makeTensor<int8_t>("weight_zero_point", DType::I8, shape, weight.zeroPoints));
  return result;
}

Decoded decodeIntQuantized(const StoredScheme &scheme, LayerLookup lookup) {
  Expected<TensorView> codes = require(lookup, "weight", {DType::I8}, 2);
  if (!codes)
    return codes.takeError();
  if (scheme.bits != 8)
    return createStringError("int-quantized holds 8-bit codes, not " + Twine(scheme.bits) +
                             "-bit ones");
  QuantizedWeight weight;
  weight.rows = codes->info->shape[0];
  weight.columns = codes->info->shape[1];
  weight.scheme.bits = 8;
  weight.scheme.symmetric = scheme.symmetric;
  if (Error error = readScales(weight, scheme, lookup, {}))
    return std::move(error);
  weight.codes = elements<int8_t>(*codes);
  if (scheme.symmetric)
    return weight;
  std::optional<TensorView> scales = lookup("weight_scale");
  Expected<TensorView> zeros =
      require(lookup, "weight_zero_point", {DType::I8}, scales->info->shape.size());
  if (!zeros)
    return zeros.takeError();
  if (Error error = checkShape(*zeros, scales->info->shape))
    return std::move(error);
  weight.zeroPoints = elements<int8_t>(*zeros);
  return weight;
}

} // namespace ptq::checkpoint::codec
