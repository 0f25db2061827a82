// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/PackedLayer.h"

#include "LayerParts.h"
#include "ptq/Numerics/Packing.h"

using namespace mlir;
using namespace ptq;

PackedWeight::PackedWeight(numerics::QuantizedWeight weight, bool bytes)
    : rows(weight.rows), columns(weight.columns), scheme(weight.scheme),
      scales(std::move(weight.scales)), zeroPoints(std::move(weight.zeroPoints)),
      groupIndex(std::move(weight.groupIndex)) {
  if (bytes)
    codes = std::move(weight.codes);
  else
    words = numerics::packCodes(weight.codes, rows, columns, scheme.bits);
}

WeightOnlyLinearOp ptq::replaceByPacked(LinearOp layer, PackedWeight weight,
                                        const RoundingRecord &record) {
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  int64_t scaleRows =
      weight.scheme.granularity == numerics::Granularity::PerTensor ? 1 : weight.rows;
  int64_t groups = numerics::groupsPerRow(weight.scheme, weight.columns);
  int64_t words = weight.words.size() / weight.rows;
  SchemeAttr scheme = toAttribute(b.getContext(), weight.scheme);
  Value packed = createConstant(b, loc, std::move(weight.words), {weight.rows, words},
                                b.getI32Type(), name + ".weight_packed");
  Value scales = createConstant(b, loc, std::move(weight.scales), {scaleRows, groups},
                                b.getF32Type(), name + ".weight_scale");
  Value zeroPoints, groupIndex;
  if (!weight.zeroPoints.empty())
    zeroPoints = createConstant(b, loc, std::move(weight.zeroPoints), {scaleRows, groups},
                                b.getI8Type(), name + ".weight_zero_point");
  if (!weight.groupIndex.empty())
    groupIndex = createConstant(b, loc, std::move(weight.groupIndex), {weight.columns},
                                b.getI32Type(), name + ".weight_g_idx");
  auto result = WeightOnlyLinearOp::create(b, loc, layer.getY().getType(), layer.getX(), packed,
                                           scales, zeroPoints, groupIndex, layer.getBias(), scheme,
                                           layer.getLayerAttr(), layer.getStatisticsAttr());
  finishReplacement(layer, result, record);
  return result;
}
