// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ScaledOutput.h"

using namespace mlir;
using namespace ptq::kernels;

/// Element `index` of a vector.
static Value element(KernelBuilder &k, Value vector, Type type, Value index) {
  unsigned bytes = type.getIntOrFloatBitWidth() / 8;
  return k.loadConstant(type, k.offset(vector, k.mul(index, bytes)), bytes);
}

/// The same of floats, in float32.
static Value floatElement(KernelBuilder &k, Value vector, Type type, Value index) {
  return k.toFloat(element(k, vector, type, index), k.getF32Type());
}

/// The same of integers, as a word.
static Value word(KernelBuilder &k, Value vector, Type type, Value index) {
  Value value = element(k, vector, type, index);
  return type.isInteger(32) ? value : arith::ExtSIOp::create(k, k.getI32Type(), value).getResult();
}

SmallVector<Value> ptq::kernels::loadFloats(KernelBuilder &k, Value vector, Type type,
                                            ArrayRef<Value> indices) {
  return llvm::map_to_vector(indices,
                             [&](Value index) { return floatElement(k, vector, type, index); });
}

SumScaling::SumScaling(KernelBuilder &k, const IntegerLinearSpec &spec,
                       const ScalingOperands &operands, ArrayRef<Value> columns)
    : k(k), spec(spec), operands(operands) {
  for (Value n : columns) {
    columnScales.push_back(floatElement(k, operands.weightScales, spec.weightScaleType,
                                        spec.perChannelScale ? n : k.i32(0)));
    if (operands.zeroPoints)
      columnSums.push_back(word(k, operands.weightSums, k.getI32Type(), n));
  }
}

void SumScaling::beginRow(Value m) {
  Value at = spec.perTokenScale ? m : k.i32(0);
  rowScale = floatElement(k, operands.inputScales, spec.inputScaleType, at);
  if (operands.zeroPoints)
    rowZero = word(k, operands.zeroPoints, spec.zeroPointType, at);
}

Value SumScaling::scale(Value sum, int64_t column) {
  if (operands.zeroPoints)
    sum = k.sub(sum, k.mul(rowZero, columnSums[column]));
  Value y = arith::MulFOp::create(k, k.toFloat(sum, k.getF32Type()), columnScales[column]);
  return arith::MulFOp::create(k, y, rowScale);
}

void ptq::kernels::writeScaled(KernelBuilder &k, const IntegerLinearSpec &spec,
                               const ScalingOperands &operands, OutputStage &stage, int64_t blocksM,
                               int64_t blocksN, Value firstRow, Value firstColumn,
                               llvm::function_ref<Value(int64_t index)> sum) {
  SmallVector<Value> columns = stage.laneColumns(blocksN, firstColumn), bias;
  SumScaling scaling(k, spec, operands, columns);
  if (operands.bias)
    bias = loadFloats(k, operands.bias, spec.biasType, columns);
  auto value = [&](int64_t index, int64_t column) -> Value {
    Value y = scaling.scale(sum(index), column);
    return operands.bias ? arith::AddFOp::create(k, y, bias[column]).getResult() : y;
  };
  stage.writeBlocks(
      blocksM, blocksN, firstRow, firstColumn, [&](Value m) { scaling.beginRow(m); }, value);
}
