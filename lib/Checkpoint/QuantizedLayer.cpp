// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formats' common ground; each has its own file beside this one.

#include "ptq/Checkpoint/QuantizedLayer.h"

#include "LayerCodec.h"
#include "ptq/Checkpoint/Float16.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <limits>

using namespace llvm;
using ptq::numerics::Granularity;
using ptq::numerics::QuantizedWeight;

namespace ptq::checkpoint {

StringRef toString(QuantizedFormat format) {
  switch (format) {
  case QuantizedFormat::PackQuantized:
    return "pack-quantized";
  case QuantizedFormat::IntQuantized:
    return "int-quantized";
  case QuantizedFormat::Gptq:
    return "gptq";
  case QuantizedFormat::GptqV2:
    return "gptq_v2";
  case QuantizedFormat::Awq:
    return "awq";
  }
  llvm_unreachable("all formats named");
}

ArrayRef<StringLiteral> quantizedSuffixes() {
  static constexpr StringLiteral suffixes[] = {
      "weight",       "weight_packed", "weight_scale", "weight_zero_point",
      "weight_shape", "weight_g_idx",  "input_scale",  "qweight",
      "qzeros",       "scales",        "g_idx"};
  return suffixes;
}

Expected<double> roundScales(MutableArrayRef<float> scales, DType type) {
  if (!is_contained(codec::scaleTypes, type))
    return createStringError("scales are stored as F16, BF16 or F32, not " + toString(type));
  std::vector<char> stored(scales.size() * byteWidth(type));
  std::vector<float> rounded(scales.size());
  convertFromFloat(type, scales, stored);
  convertToFloat(type, stored, rounded);
  double greatest = 0;
  for (auto [scale, value] : zip_equal(scales, rounded)) {
    if (!std::isfinite(value) || (value == 0 && scale != 0))
      return createStringError("the scale " + Twine(std::to_string(double(scale))) +
                               " has no place in " + toString(type) +
                               "; store scales in a wider type with scale-type=");
    if (scale != 0)
      greatest = std::max(greatest, std::abs(double(value) - scale) / std::abs(double(scale)));
    scale = value;
  }
  return greatest;
}

double meanCode(const QuantizedWeight &weight) {
  double sum = 0;
  for (int64_t i = 0; i < weight.rows; ++i)
    for (int64_t j = 0; j < weight.columns; ++j) {
      int64_t zero = weight.zeroPoints.empty() ? 0 : weight.zeroPoints[weight.parameterIndex(i, j)];
      sum += weight.codes[i * weight.columns + j] - zero;
    }
  return sum / std::max<double>(1, double(weight.rows) * weight.columns);
}

Expected<std::vector<LayerTensor>> encodeLayer(const QuantizedWeight &weight,
                                               QuantizedFormat format, DType scaleType) {
  if (Error error = verify(weight.scheme, weight.rows, weight.columns))
    return std::move(error);
  std::vector<float> scales = weight.scales;
  Expected<double> change = roundScales(scales, scaleType);
  if (!change)
    return change.takeError();
  if (*change != 0)
    return createStringError("its scales are not those of the type " + toString(scaleType) +
                             "; round them first");
  switch (format) {
  case QuantizedFormat::PackQuantized:
    return codec::encodePackQuantized(weight, scaleType);
  case QuantizedFormat::IntQuantized:
    return codec::encodeIntQuantized(weight, scaleType);
  case QuantizedFormat::Gptq:
  case QuantizedFormat::GptqV2:
    return codec::encodeGptq(weight, format == QuantizedFormat::GptqV2, scaleType);
  case QuantizedFormat::Awq:
    return codec::encodeAwq(weight, scaleType);
  }
  llvm_unreachable("all formats handled");
}

Expected<QuantizedWeight> decodeLayer(QuantizedFormat format, const StoredScheme &scheme,
                                      LayerLookup lookup) {
  if (scheme.bits < 2 || scheme.bits > 8)
    return createStringError("it has " + Twine(scheme.bits) + "-bit codes; 2 to 8 are supported");
  switch (format) {
  case QuantizedFormat::PackQuantized:
    return codec::decodePackQuantized(scheme, lookup);
  case QuantizedFormat::IntQuantized:
    return codec::decodeIntQuantized(scheme, lookup);
  case QuantizedFormat::Gptq:
  case QuantizedFormat::GptqV2:
    return codec::decodeGptq(scheme, format == QuantizedFormat::GptqV2, lookup);
  case QuantizedFormat::Awq:
    return codec::decodeAwq(scheme, lookup);
  }
  llvm_unreachable("all formats handled");
}

namespace codec {

LayerTensor makeScales(StringRef suffix, DType type, ArrayRef<int64_t> shape,
                       ArrayRef<float> scales) {
  LayerTensor result{suffix.str(), type, SmallVector<int64_t, 4>(shape), {}};
  result.data.resize(scales.size() * byteWidth(type));
  convertFromFloat(type, scales, result.data);
  return result;
}

std::vector<float> expandScales(const QuantizedWeight &weight) {
  if (weight.scheme.granularity == Granularity::PerTensor)
    return std::vector<float>(weight.rows, weight.scales.front());
  return weight.scales;
}

std::vector<int8_t> expandZeroPoints(const QuantizedWeight &weight) {
  if (weight.zeroPoints.empty())
    return std::vector<int8_t>(weight.rows * weight.groups(), 0);
  if (weight.scheme.granularity == Granularity::PerTensor)
    return std::vector<int8_t>(weight.rows, weight.zeroPoints.front());
  return weight.zeroPoints;
}

static std::string describe(DType dtype, ArrayRef<int64_t> shape) {
  std::string text = (toString(dtype) + " [").str();
  text += join(map_range(shape, [](int64_t extent) { return std::to_string(extent); }), ", ");
  return text + "]";
}

Expected<TensorView> require(LayerLookup lookup, StringRef suffix, ArrayRef<DType> types,
                             size_t rank) {
  std::optional<TensorView> tensor = lookup(suffix);
  if (!tensor)
    return createStringError("its tensor '" + suffix + "' is missing");
  const TensorInfo &info = *tensor->info;
  if (!is_contained(types, info.dtype) || info.shape.size() != rank)
    return createStringError("its tensor '" + suffix + "' is " + describe(info.dtype, info.shape) +
                             ", where " + toString(types.front()) + " of rank " + Twine(rank) +
                             " belongs");
  if (rank > 0 && info.numElements() == 0)
    return createStringError("its tensor '" + suffix + "' is empty");
  return *tensor;
}

Error checkShape(const TensorView &tensor, ArrayRef<int64_t> shape) {
  const TensorInfo &info = *tensor.info;
  if (ArrayRef<int64_t>(info.shape) == shape)
    return Error::success();
  return createStringError("its tensor '" + info.name + "' is " + describe(info.dtype, info.shape) +
                           ", where the others call for " + describe(info.dtype, shape));
}

Expected<std::vector<float>> finiteFloats(const TensorView &tensor) {
  std::vector<float> result(tensor.info->numElements());
  convertToFloat(tensor.info->dtype, tensor.data, result);
  for (float value : result)
    if (!std::isfinite(value))
      return createStringError("its tensor '" + tensor.info->name +
                               "' holds a value that is not finite; the file is damaged");
  return result;
}

Error setGroups(QuantizedWeight &weight, int64_t groups, const StoredScheme &scheme,
                std::vector<int32_t> groupIndex) {
  if (groups <= 0 || weight.columns % groups != 0)
    return createStringError("it has " + Twine(groups) + " groups, which do not divide the " +
                             Twine(weight.columns) + " input channels");
  int64_t groupSize = weight.columns / groups;
  int64_t expected =
      scheme.groupSize > 0 ? std::min(scheme.groupSize, weight.columns) : weight.columns;
  if (groupSize != expected)
    return createStringError(
        "its scales are for groups of " + Twine(groupSize) +
        " input channels, and the configuration says " +
        (scheme.groupSize > 0 ? Twine(scheme.groupSize) : Twine("one group a row")));
  bool perGroup = groups > 1 || scheme.groupSize == weight.columns;
  weight.scheme.granularity = perGroup ? Granularity::PerGroup : Granularity::PerChannel;
  weight.scheme.groupSize = perGroup ? groupSize : 0;
  bool consecutive = true;
  for (auto [j, group] : enumerate(groupIndex)) {
    if (group < 0 || group >= groups)
      return createStringError("its group index has " + Twine(group) + " at channel " + Twine(j) +
                               ", but there are " + Twine(groups) + " groups");
    consecutive &= group == int64_t(j) / groupSize;
  }
  if (!consecutive)
    weight.groupIndex = std::move(groupIndex);
  return Error::success();
}

} // namespace codec
} // namespace ptq::checkpoint
