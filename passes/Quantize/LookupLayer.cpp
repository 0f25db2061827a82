// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LookupLayer.h"

#include "LayerParts.h"
#include "ptq/Numerics/Codebook.h"
#include "ptq/Numerics/Packing.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace ptq;

Value LookupLayers::table(LinearOp layer, ArrayRef<float> entries, StringRef key) {
  Block *block = &layer->getParentOfType<FunctionOpInterface>().front();
  Value &known = tables[{block, StringAttr::get(layer.getContext(), key)}];
  if (!known) {
    OpBuilder b = OpBuilder::atBlockBegin(block);
    known = createConstant(b, layer.getLoc(), entries.vec(), {int64_t(entries.size())},
                           b.getF32Type(), key);
  }
  return known;
}

Value LookupLayers::scales(OpBuilder &b, LinearOp layer, PackedWeight &weight, int64_t groups) {
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str() + ".weight_scale";
  if (!weight.quantizedScales)
    return createConstant(b, loc, std::move(weight.scales), {weight.rows, groups}, b.getF32Type(),
                          name);
  numerics::QuantizedScales &quantized = *weight.quantizedScales;
  constexpr unsigned bits = 8;
  int64_t count = weight.rows * groups, blocks = quantized.blockScales.size();
  std::vector<uint32_t> words = numerics::packCodes(quantized.codes, 1, count, bits);
  int64_t width = words.size();
  Value codes =
      createConstant(b, loc, std::move(words), {1, width}, b.getI32Type(), name + "_packed");
  Value blockScales = createConstant(b, loc, std::move(quantized.blockScales), {1, blocks},
                                     b.getF32Type(), name + "_scale");
  Value mean = createConstant(b, loc, std::vector<float>{quantized.mean}, {1}, b.getF32Type(),
                              name + "_mean");
  Value flat = LookupDequantizeOp::create(
      b, loc, RankedTensorType::get({1, count}, b.getF32Type()), codes,
      table(layer, numerics::scaleCodebook(), "scale_codebook"), blockScales, mean,
      b.getI64IntegerAttr(bits), b.getI64IntegerAttr(numerics::scaleBlock));
  SmallVector<ReassociationIndices> both{{0, 1}};
  Value vector = tensor::CollapseShapeOp::create(b, loc, flat, both);
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get({weight.rows, groups}, b.getF32Type()), vector, both);
}

void LookupLayers::replace(LinearOp layer, PackedWeight weight, const RoundingRecord &record) {
  assert(weight.groupIndex.empty() && "the groups of a codebook are consecutive channels");
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  int64_t groups = numerics::groupsPerRow(weight.scheme, weight.columns);
  int64_t words = weight.words.size() / weight.rows;
  Value codes = createConstant(b, loc, std::move(weight.words), {weight.rows, words},
                               b.getI32Type(), name + ".weight_packed");
  Value entries = table(layer, numerics::codebookEntries(weight.scheme.codebook), "nf4_codebook");
  Value weightScales = scales(b, layer, weight, groups);
  Value lookedUp = LookupDequantizeOp::create(
      b, loc, RankedTensorType::get({weight.rows, weight.columns}, b.getF32Type()), codes, entries,
      weightScales, /*offset=*/Value(), b.getI64IntegerAttr(weight.scheme.bits),
      b.getI64IntegerAttr(weight.columns / groups));
  Value before = layer.getWeight();
  layer.getWeightMutable().assign(lookedUp);
  eraseIfUnused(before);
  layer.removeWeightSchemeAttr();
  layer.removeActivationSchemeAttr();
  layer.removeClipAttr();
  setRecord(layer, layer.getLayerName(), record);
}
