// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OutlierLayer.h"

#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/OutlierColumns.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

bool ptq::dropsOutliers(OutliersAttr outliers) {
  return outliers && !outliers.getDynamic() && !outliers.getDequantized();
}

RoundedPart::RoundedPart(numerics::ConstMatrix weight, OutliersAttr outliers) : matrix(weight) {
  if (!dropsOutliers(outliers))
    return;
  ArrayRef<int32_t> columns = outliers.getColumns().asArrayRef();
  storage = numerics::dropColumns(weight, columns);
  matrix = numerics::ConstMatrix(storage.data(), weight.rows, weight.columns - columns.size());
}

void ptq::withoutOutliers(std::vector<float> &gram, int64_t n, OutliersAttr outliers) {
  if (!outliers)
    return;
  ArrayRef<int32_t> columns = outliers.getColumns().asArrayRef();
  if (dropsOutliers(outliers))
    numerics::dropChannels(gram, n, columns);
  else
    numerics::isolateChannels(gram, n, columns);
}

std::vector<float> ptq::effectiveWeight(numerics::ConstMatrix original,
                                        const numerics::QuantizedWeight &rounded,
                                        OutliersAttr outliers) {
  std::vector<float> part(rounded.rows * rounded.columns);
  numerics::dequantize(rounded,
                       numerics::MutableMatrix(part.data(), rounded.rows, rounded.columns));
  if (!outliers || outliers.getDequantized())
    return part;
  ArrayRef<int32_t> columns = outliers.getColumns().asArrayRef();
  bool dropped = dropsOutliers(outliers);
  std::vector<float> result(original.rows * original.columns);
  for (int64_t i = 0; i != original.rows; ++i) {
    const float *from = part.data() + i * rounded.columns;
    ArrayRef<int32_t> left = columns;
    for (int64_t k = 0; k != original.columns; ++k) {
      bool isOutlier = !left.empty() && left.front() == k;
      if (isOutlier)
        left = left.drop_front();
      result[i * original.columns + k] = isOutlier ? original(i, k) : *from;
      from += !(isOutlier && dropped);
    }
  }
  return result;
}

void ptq::recordOutliers(RoundingRecord &record, int64_t inFeatures, OutliersAttr outliers) {
  // Which columns are outliers at run time nobody has measured.
  if (outliers && outliers.getDynamic() && outliers.getColumns().empty())
    return;
  double count = outliers ? outliers.getColumns().size() : 0;
  record.figures.emplace_back("outlier_columns", count);
  record.figures.emplace_back("share_16bit", count / inFeatures);
}

ActivationSplit ptq::splitActivation(OpBuilder &b, LinearOp layer, OutliersAttr outliers) {
  Location loc = layer.getLoc();
  Value x = layer.getX();
  auto type = cast<RankedTensorType>(x.getType());
  ArrayRef<int32_t> columns = outliers.getColumns().asArrayRef();
  int64_t count = outliers.getDynamic() ? ShapedType::kDynamic : columns.size();
  auto withWidth = [&](int64_t width) {
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = width;
    return type.clone(shape);
  };
  ActivationSplit split;
  if (outliers.getDynamic()) {
    split.columns = OutlierColumnsOp::create(
        b, loc, RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type()), x,
        b.getF64FloatAttr(outliers.getThreshold().getValueAsDouble()));
    split.rest = ClearColumnsOp::create(b, loc, type, x, split.columns);
  } else {
    split.columns = createConstant(b, loc, columns.vec(), {count}, b.getI32Type(),
                                   layer.getLayerName() + ".outlier_columns");
    // A dynamic width would be of a layer that has none: weights are static.
    split.rest =
        DropColumnsOp::create(b, loc, withWidth(layer.getInFeatures() - count), x, split.columns);
  }
  split.outliers = SelectColumnsOp::create(b, loc, withWidth(count), x, split.columns);
  return split;
}

/// Floats as a constant of `elementType`.
static Value createFloats(OpBuilder &b, LinearOp layer, std::vector<float> values, int64_t columns,
                          Type elementType) {
  std::string key = layer.getLayerName().str() + ".weight_outliers";
  int64_t shape[] = {layer.getOutFeatures(), columns};
  if (elementType.isF32())
    return createConstant(b, layer.getLoc(), std::move(values), shape, elementType, key);
  checkpoint::DType dtype = *toDType(elementType);
  std::vector<char> bytes(values.size() * checkpoint::byteWidth(dtype));
  checkpoint::convertFromFloat(dtype, values, bytes);
  auto type = RankedTensorType::get(shape, elementType);
  return createConstant(b, layer.getLoc(), storeElements(type, std::move(bytes), key), key);
}

llvm::Error ptq::checkOutlierWeight(LinearOp layer, OutliersAttr outliers,
                                    const PackedWeight &weight) {
  if (!outliers || !outliers.getDequantized() ||
      (!weight.codes.empty() && weight.scheme.granularity != numerics::Granularity::PerGroup))
    return llvm::Error::success();
  return llvm::createStringError(
      "layer '" + layer.getLayerName() +
      "': outlier-weights=dequantized takes columns out of the rounded weight, which needs 8 bits "
      "with a scale for each row; give bits=8 group-size=-1, or outlier-weights=original");
}

/// Takes some columns out of a weight whose codes are bytes.
static void dropCodes(PackedWeight &weight, ArrayRef<int32_t> columns) {
  std::vector<int8_t> kept;
  kept.reserve(weight.rows * (weight.columns - columns.size()));
  for (int64_t i = 0; i != weight.rows; ++i) {
    ArrayRef<int32_t> left = columns;
    for (int64_t k = 0; k != weight.columns; ++k) {
      if (!left.empty() && left.front() == k)
        left = left.drop_front();
      else
        kept.push_back(weight.codes[i * weight.columns + k]);
    }
  }
  weight.codes = std::move(kept);
  weight.columns -= columns.size();
}

llvm::Expected<Value> ptq::takeOutlierWeight(OpBuilder &b, LinearOp layer, OutliersAttr outliers,
                                             PackedWeight &weight) {
  auto type = layer.getWeight().getType();
  ArrayRef<int32_t> columns = outliers.getColumns().asArrayRef();
  std::vector<float> values;
  if (outliers.getDequantized()) {
    std::vector<float> rounded(weight.rows * weight.columns);
    numerics::MutableMatrix matrix(rounded.data(), weight.rows, weight.columns);
    numerics::dequantize(weight.unpack(), matrix);
    values = numerics::selectColumns(matrix, columns);
    dropCodes(weight, columns);
  } else {
    llvm::Expected<WeightValue> original = evaluateWeight(layer.getWeight());
    if (!original)
      return original.takeError();
    values = numerics::selectColumns(
        numerics::ConstMatrix(original->data.data(), type.getDimSize(0), type.getDimSize(1)),
        columns);
  }
  return createFloats(b, layer, std::move(values), columns.size(), type.getElementType());
}

Value ptq::selectOutlierWeight(OpBuilder &b, LinearOp layer, OutliersAttr outliers, Value columns,
                               const numerics::WeightScheme &scheme, Value codes, Value scales) {
  Location loc = layer.getLoc();
  auto type = layer.getWeight().getType();
  auto selected = [&](Type element) {
    return RankedTensorType::get({type.getDimSize(0), ShapedType::kDynamic}, element);
  };
  if (!outliers.getDequantized())
    return SelectColumnsOp::create(b, loc, selected(type.getElementType()), layer.getWeight(),
                                   columns);
  // One scale a row is [out, 1] beside the layer, [out] beside a dequantization.
  SmallVector<ReassociationIndices> all{{0, 1}};
  Value vector = tensor::CollapseShapeOp::create(b, loc, scales, all);
  Value integers = SelectColumnsOp::create(b, loc, selected(b.getI8Type()), codes, columns);
  bool perTensor = scheme.granularity == numerics::Granularity::PerTensor;
  auto attr = SchemeAttr::get(b.getContext(), scheme.bits, /*symmetric=*/true,
                              perTensor ? Granularity::PerTensor : Granularity::PerChannel, 0,
                              /*dynamic=*/false);
  return DequantizeOp::create(b, loc, selected(type.getElementType()), integers, vector,
                              /*zero_points=*/Value(), attr);
}
