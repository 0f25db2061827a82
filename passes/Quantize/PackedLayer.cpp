// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/PackedLayer.h"

#include "LayerParts.h"
#include "ptq/Analysis/ScratchBlob.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/Packing.h"

using namespace mlir;
using namespace ptq;

PackedWeight::PackedWeight(numerics::QuantizedWeight weight, bool bytes)
    : rows(weight.rows), columns(weight.columns), scheme(weight.scheme),
      scales(storeInScratch(std::move(weight.scales))), zeroPoints(std::move(weight.zeroPoints)),
      groupIndex(std::move(weight.groupIndex)), sparse(std::move(weight.sparse)),
      quantizedScales(std::move(weight.quantizedScales)),
      progressive(std::move(weight.progressive)) {
  if (bytes)
    codes = storeInScratch(std::move(weight.codes));
  else
    words = storeInScratch(numerics::packCodes(weight.codes, rows, columns, scheme.bits));
}

numerics::QuantizedWeight PackedWeight::unpack() const {
  numerics::QuantizedWeight weight;
  weight.rows = rows;
  weight.columns = columns;
  weight.scheme = scheme;
  weight.codes =
      codes.empty() ? numerics::unpackCodes(words, rows, columns, scheme.bits) : codes.vec();
  weight.scales = scales.vec();
  weight.zeroPoints = zeroPoints.vec();
  weight.groupIndex = groupIndex;
  weight.sparse = sparse;
  weight.quantizedScales = quantizedScales;
  weight.progressive = progressive;
  return weight;
}

namespace {
struct SparseOperands {
  Value rowOffsets, columns, values;
};
} // namespace

/// Constants for the weights that stay in 16 bits; nulls if there are none.
static SparseOperands createSparse(OpBuilder &b, Location loc, numerics::SparseWeight sparse,
                                   const std::string &name) {
  if (sparse.empty())
    return {};
  bool isHalf = sparse.type == numerics::ShortFloat::F16;
  Type type = isHalf ? Type(b.getF16Type()) : Type(b.getBF16Type());
  int64_t rows = sparse.rowOffsets.size(), count = sparse.values.size();
  std::vector<uint16_t> values;
  for (float value : sparse.values)
    values.push_back(isHalf ? checkpoint::floatToHalf(value) : checkpoint::floatToBFloat16(value));
  return {createConstant(b, loc, std::move(sparse.rowOffsets), {rows}, b.getI32Type(),
                         name + ".weight_outlier_offsets"),
          createConstant(b, loc, std::move(sparse.columns), {count}, b.getI32Type(),
                         name + ".weight_outlier_columns"),
          createConstant(b, loc, std::move(values), {count}, type, name + ".weight_outliers")};
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
  SparseOperands sparse = createSparse(b, loc, std::move(weight.sparse), name);
  auto result = WeightOnlyLinearOp::create(b, loc, layer.getY().getType(), layer.getX(), packed,
                                           scales, zeroPoints, groupIndex, sparse.rowOffsets,
                                           sparse.columns, sparse.values, layer.getBias(), scheme,
                                           layer.getLayerAttr(), layer.getStatisticsAttr());
  finishReplacement(layer, result, record);
  return result;
}
