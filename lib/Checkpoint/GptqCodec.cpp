// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ's layout, as AutoGPTQ and GPTQModel store it. Both packings are a dense bit stream, along
// `in` for codes and along `out` for zero points; at 3 bits 32 values take 3 words.
//
// v1 stores z - 1. Loaders add 1 to whole words or to single fields, with or without a mask; they
// agree for 1 <= z < 2^b only, so z = 0 is neither written nor read.

#include "LayerCodec.h"
#include "ptq/Numerics/Packing.h"

#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace llvm;
using ptq::numerics::packCodes;
using ptq::numerics::packedWords;
using ptq::numerics::QuantizedWeight;
using ptq::numerics::unpackCodes;

namespace ptq::checkpoint::codec {

static bool isStored(unsigned bits) { return is_contained({2u, 3u, 4u, 8u}, bits); }

Encoded encodeGptq(const QuantizedWeight &weight, bool v2, DType scaleType) {
  unsigned bits = weight.scheme.bits;
  int64_t in = weight.columns, out = weight.rows, groups = weight.groups();
  if (!isStored(bits))
    return createStringError("gptq holds codes of 2, 3, 4 or 8 bits, not " + Twine(bits));
  if (in * bits % 32 != 0 || out * bits % 32 != 0)
    return createStringError("gptq packs both widths into whole 32-bit words, which " + Twine(in) +
                             " inputs and " + Twine(out) + " outputs of " + Twine(bits) +
                             " bits do not fill; use compressed-tensors");
  std::vector<int8_t> zeroPoints = transpose<int8_t>(expandZeroPoints(weight), out, groups);
  if (!v2)
    for (int8_t &zeroPoint : zeroPoints) {
      if (zeroPoint <= weight.scheme.minCode())
        return createStringError("it has the zero point 0, which gptq's first version, storing "
                                 "z - 1, cannot hold; use format=gptq_v2");
      --zeroPoint;
    }
  std::vector<int32_t> groupIndex = weight.groupIndex;
  if (groupIndex.empty())
    for (int64_t j = 0; j < in; ++j)
      groupIndex.push_back(weight.groupOf(j));
  int64_t words = packedWords(in, bits);
  std::vector<LayerTensor> result;
  result.push_back(makeTensor<int32_t>("g_idx", DType::I32, {in}, groupIndex));
  result.push_back(makeTensor<uint32_t>(
      "qweight", DType::I32, {words, out},
      transpose<uint32_t>(packCodes(weight.codes, out, in, bits), out, words)));
  result.push_back(makeTensor<uint32_t>("qzeros", DType::I32, {groups, packedWords(out, bits)},
                                        packCodes(zeroPoints, groups, out, bits)));
  result.push_back(makeScales("scales", scaleType, {groups, out},
                              transpose<float>(expandScales(weight), out, groups)));
  return result;
}

Decoded decodeGptq(const StoredScheme &scheme, bool v2, LayerLookup lookup) {
  Expected<TensorView> qweight = require(lookup, "qweight", {DType::I32}, 2);
  if (!qweight)
    return qweight.takeError();
  Expected<TensorView> qzeros = require(lookup, "qzeros", {DType::I32}, 2);
  if (!qzeros)
    return qzeros.takeError();
  Expected<TensorView> scales = require(lookup, "scales", scaleTypes, 2);
  if (!scales)
    return scales.takeError();
  unsigned bits = scheme.bits;
  if (!isStored(bits))
    return createStringError("gptq holds codes of 2, 3, 4 or 8 bits, not " + Twine(bits));
  int64_t words = qweight->info->shape[0], out = qweight->info->shape[1];
  int64_t groups = scales->info->shape[0];
  if (words * 32 % bits != 0 || out * bits % 32 != 0)
    return createStringError("its 'qweight' of " + Twine(words) + " x " + Twine(out) +
                             " words does not hold " + Twine(bits) + "-bit codes");
  QuantizedWeight weight;
  weight.rows = out;
  weight.columns = words * 32 / bits;
  weight.scheme.bits = bits;
  weight.scheme.symmetric = scheme.symmetric;
  if (Error error = checkShape(*scales, {groups, out}))
    return std::move(error);
  if (Error error = checkShape(*qzeros, {groups, packedWords(out, bits)}))
    return std::move(error);
  std::vector<int32_t> groupIndex;
  if (lookup("g_idx")) {
    Expected<TensorView> stored = require(lookup, "g_idx", {DType::I32}, 1);
    if (!stored)
      return stored.takeError();
    if (Error error = checkShape(*stored, {weight.columns}))
      return std::move(error);
    groupIndex = elements<int32_t>(*stored);
  }
  if (Error error = setGroups(weight, groups, scheme, std::move(groupIndex)))
    return std::move(error);
  Expected<std::vector<float>> values = finiteFloats(*scales);
  if (!values)
    return values.takeError();
  weight.scales = transpose<float>(*values, groups, out);
  weight.codes = unpackCodes(transpose<uint32_t>(elements<uint32_t>(*qweight), words, out), out,
                             weight.columns, bits);

  std::vector<int8_t> zeroPoints = unpackCodes(elements<uint32_t>(*qzeros), groups, out, bits);
  int64_t elsewhere = 0, shifted = 0;
  int offset = v2 ? 0 : 1;
  for (int8_t &stored : zeroPoints) {
    if (!v2 && stored == weight.scheme.maxCode() && !scheme.symmetric)
      return createStringError("a zero point is stored as " + Twine((1u << bits) - 1) +
                               ", of which loaders make 0 or " + Twine(1u << bits) +
                               "; the file was not written as gptq's first version, or is damaged");
    elsewhere += stored + offset != 0;
    shifted += stored + (1 - offset) == 0;
    stored = int8_t(stored + offset);
  }
  if (!scheme.symmetric)
    weight.zeroPoints = transpose<int8_t>(zeroPoints, groups, out);
  else if (elsewhere && shifted == int64_t(zeroPoints.size()))
    return createStringError(
        Twine("its zero points are those of ") + (v2 ? "gptq" : "gptq_v2") +
        ", but the configuration's checkpoint_format says " + (v2 ? "gptq_v2" : "gptq") +
        ": the file is mislabelled; read it with format=" + (v2 ? "gptq" : "gptq_v2"));
  else if (elsewhere)
    return createStringError("the configuration says that it is symmetric, but its zero points are "
                             "not all " +
                             Twine(1u << (bits - 1)) + "; the file or its \"sym\" is wrong");
  return weight;
}

} // namespace ptq::checkpoint::codec
