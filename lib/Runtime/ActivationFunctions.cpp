// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations to integers, and which columns stay floats; lib/Numerics/ActivationRounding and
// OutlierColumns have the arithmetic.

#include "Functions.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/ActivationRounding.h"
#include "ptq/Numerics/OutlierColumns.h"
#include "ptq/Numerics/Threads.h"
#include "ptq/Runtime/Runtime.h"

namespace ptq::runtime {

/// Rows that one task works on.
static constexpr int64_t rowsPerTask = 16;

/// `scales` as the type that will hold them does.
static llvm::Error roundScales(llvm::MutableArrayRef<float> scales, int32_t type) {
  switch (type) {
  case PTQ_RT_SCALE_F32:
    return llvm::Error::success();
  case PTQ_RT_SCALE_F16:
    for (float &scale : scales)
      scale = checkpoint::halfToFloat(checkpoint::floatToHalf(scale));
    return llvm::Error::success();
  case PTQ_RT_SCALE_BF16:
    for (float &scale : scales)
      scale = checkpoint::bfloat16ToFloat(checkpoint::floatToBFloat16(scale));
    return llvm::Error::success();
  }
  return llvm::createStringError("there is no type of scales of number " + llvm::Twine(type));
}

llvm::Error quantize(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  const Argument &channelScales = arguments[1], &scales = arguments[2], &zeroPoints = arguments[3];
  numerics::ConstMatrix x = matrixOf<float>(arguments[0]);
  int32_t bits = arguments[4].scalar;
  if (llvm::Error error = checkBits(bits, 8))
    return error;
  if (llvm::Error error = checkSize("channel scales", channelScales, {x.columns, 0}))
    return error;
  if (llvm::Error error = checkSize("scales", scales, {x.rows, 1}))
    return error;
  if (llvm::Error error = checkSize("zero points", zeroPoints, {scales.size(), 0}))
    return error;
  auto *q = static_cast<int8_t *>(allocate(0, {x.rows, x.columns}));
  numerics::ActivationScheme scheme;
  scheme.bits = bits;
  scheme.symmetric = zeroPoints.size() == 0;
  numerics::quantizeActivations(x, channelScales.as<float>(), scheme, scales.as<float>(),
                                zeroPoints.as<int8_t>(), {q, x.rows, x.columns});
  return llvm::Error::success();
}

llvm::Error dynamicQuantize(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  const Argument &channelScales = arguments[1];
  numerics::ConstMatrix x = matrixOf<float>(arguments[0]);
  int32_t bits = arguments[2].scalar;
  bool perTensor = arguments[4].scalar != 0;
  if (llvm::Error error = checkBits(bits, 8))
    return error;
  if (llvm::Error error = checkSize("channel scales", channelScales, {x.columns, 0}))
    return error;
  int64_t parameters = perTensor ? 1 : x.rows;
  numerics::ActivationScheme scheme;
  scheme.bits = bits;
  scheme.symmetric = arguments[3].scalar == 0;
  auto *q = static_cast<int8_t *>(allocate(0, {x.rows, x.columns}));
  llvm::MutableArrayRef<float> scales(static_cast<float *>(allocate(1, {parameters})), parameters);
  llvm::MutableArrayRef<int8_t> zeroPoints(static_cast<int8_t *>(allocate(2, {parameters})),
                                           parameters);
  std::fill(zeroPoints.begin(), zeroPoints.end(), 0);
  llvm::ArrayRef<float> channels = channelScales.as<float>();
  if (perTensor)
    numerics::computeTensorParameters(x, channels, scheme, scales[0], zeroPoints[0]);
  else
    numerics::computeTokenParameters(x, channels, scheme, scales, zeroPoints);
  if (llvm::Error error = roundScales(scales, arguments[5].scalar))
    return error;
  llvm::ArrayRef<int8_t> used = scheme.symmetric ? llvm::ArrayRef<int8_t>() : zeroPoints;
  numerics::quantizeActivations(x, channels, scheme, scales, used, {q, x.rows, x.columns});
  return llvm::Error::success();
}

llvm::Error scaleChannels(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  numerics::ConstMatrix x = matrixOf<float>(arguments[0]);
  if (llvm::Error error = checkSize("channel scales", arguments[1], {x.columns}))
    return error;
  const float *scales = arguments[1].as<float>().data();
  auto *y = static_cast<float *>(allocate(0, {x.rows, x.columns}));
  numerics::parallelFor(0, x.rows, rowsPerTask, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t k = 0; k < x.columns; ++k)
        y[i * x.columns + k] = x(i, k) * scales[k];
  });
  return llvm::Error::success();
}

llvm::Error outlierColumns(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  if (llvm::Error error = checkSize("thresholds", arguments[1], {1}))
    return error;
  std::vector<int32_t> columns =
      numerics::findOutlierColumns(matrixOf<float>(arguments[0]), arguments[1].as<float>().front());
  int64_t count = columns.size();
  llvm::copy(columns, static_cast<int32_t *>(allocate(0, {count})));
  return llvm::Error::success();
}

} // namespace ptq::runtime
