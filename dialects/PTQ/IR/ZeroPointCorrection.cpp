// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The zero point of a static activation moves into the bias:
//
//   s_x·Σ_g s_w[n, g]·Σ_{k in g} (q - z)·w[n, k] + b[n] = s_x·Σ_g s_w[n, g]·Σ_{k in g} q·w[n, k] +
//   b'[n] b'[n] = b[n] - s_x·z·Σ_g s_w[n, g]·Σ_{k in g} w[n, k]
//
// where s_x, z, the weight and the bias are constants. The sum over w is exact, the rest is
// computed in float64 and rounded once to the bias's type.

#include "ptq/IR/PTQ.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace ptq;

/// The constant that makes `value`, with data; null if there is none.
static ElementsAttr constantOf(Value value) {
  ElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr)))
    return {};
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    auto type = resource.getType();
    size_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
    return blob && blob->getData().size() == bytes ? attr : ElementsAttr();
  }
  return isa<DenseElementsAttr>(attr) ? attr : ElementsAttr();
}

/// Element `i` of a constant of floats.
static double floatAt(ElementsAttr attr, int64_t i) {
  if (auto dense = dyn_cast<DenseElementsAttr>(attr))
    return dense.isSplat() ? dense.getSplatValue<APFloat>().convertToDouble()
                           : dense.getValues<APFloat>()[i].convertToDouble();
  auto type = cast<FloatType>(attr.getElementType());
  unsigned bytes = type.getWidth() / 8;
  const char *data =
      cast<DenseResourceElementsAttr>(attr).getRawHandle().getBlob()->getData().data();
  uint64_t bits = 0;
  memcpy(&bits, data + i * bytes, bytes);
  return APFloat(type.getFloatSemantics(), APInt(type.getWidth(), bits)).convertToDouble();
}

/// Integers of 8 bits, in order.
static SmallVector<int8_t, 0> integersOf(ElementsAttr attr) {
  SmallVector<int8_t, 0> values(attr.getNumElements());
  if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
    llvm::copy(dense.getValues<int8_t>(), values.begin());
    return values;
  }
  ArrayRef<char> data = cast<DenseResourceElementsAttr>(attr).getRawHandle().getBlob()->getData();
  memcpy(values.data(), data.data(), values.size());
  return values;
}

LogicalResult IntegerLinearOp::canonicalize(IntegerLinearOp op, PatternRewriter &rewriter) {
  SchemeAttr scheme = op.getWeightScheme();
  if (!op.getXZeroPoints() || scheme.getBits() != 8 ||
      op.getActivationScheme().getGranularity() != Granularity::PerTensor)
    return failure();
  ElementsAttr xScale = constantOf(op.getXScales()), zeroPoint = constantOf(op.getXZeroPoints());
  ElementsAttr weight = constantOf(op.getWeight()), weightScales = constantOf(op.getWeightScales());
  ElementsAttr bias = constantOf(op.getBias());
  if (!xScale || !zeroPoint || !weight || !weightScales || (op.getBias() && !bias))
    return rewriter.notifyMatchFailure(op, "the zero point's correction is not constant");

  int64_t in = op.getInFeatures(), out = op.getOutFeatures(), groups = scheme.getGroupsPerRow(in);
  bool perTensor = scheme.getGranularity() == Granularity::PerTensor;
  SmallVector<int8_t, 0> codes = integersOf(weight);
  double factor = floatAt(xScale, 0) * integersOf(zeroPoint).front();
  Type result = op.getY().getType().getElementType();
  auto type = bias ? cast<RankedTensorType>(bias.getType())
                   : RankedTensorType::get({out}, result.isF64() ? result : rewriter.getF32Type());
  SmallVector<APFloat> corrected;
  for (int64_t n = 0; n != out; ++n) {
    double sum = 0;
    for (int64_t g = 0, width = in / groups; g != groups; ++g) {
      int64_t total = 0;
      for (int8_t code : ArrayRef(codes).slice(n * in + g * width, width))
        total += code;
      sum += floatAt(weightScales, perTensor ? 0 : n * groups + g) * total;
    }
    APFloat value((bias ? floatAt(bias, n) : 0.0) - factor * sum);
    bool losesInfo;
    value.convert(cast<FloatType>(type.getElementType()).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
    corrected.push_back(value);
  }
  auto constant =
      arith::ConstantOp::create(rewriter, op.getLoc(), DenseElementsAttr::get(type, corrected));
  if (!op.getLayerName().empty())
    constant->setAttr("ptq.key", rewriter.getStringAttr(op.getLayerName() + ".bias"));
  rewriter.modifyOpInPlace(op, [&] {
    op.getBiasMutable().assign(constant);
    op.getXZeroPointsMutable().clear();
  });
  return success();
}
