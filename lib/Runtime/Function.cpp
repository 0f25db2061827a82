// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table.

#include "ptq/Runtime/Function.h"
#include "Functions.h"
#include "llvm/ADT/STLExtras.h"

namespace ptq::runtime {

static constexpr Type scalar{Element::I32, 0};
static constexpr Type f32x1{Element::F32, 1}, f32x2{Element::F32, 2}, f32x3{Element::F32, 3};
static constexpr Type i8x1{Element::I8, 1}, i8x2{Element::I8, 2}, i8x3{Element::I8, 3};
static constexpr Type i32x1{Element::I32, 1}, i32x2{Element::I32, 2};

static constexpr Type quantizeOperands[] = {f32x2, f32x1, f32x1, i8x1, scalar};
static constexpr Type quantizeResults[] = {i8x2};
static constexpr Type dynamicQuantizeOperands[] = {f32x2, f32x1, scalar, scalar, scalar, scalar};
static constexpr Type dynamicQuantizeResults[] = {i8x2, f32x1, i8x1};
static constexpr Type integerLinearOperands[] = {i8x2,  f32x1, i8x1,  i8x2,
                                                 f32x2, f32x2, f32x2, f32x1};
static constexpr Type integerLinearPackedOperands[] = {i8x2,  f32x1, i8x1,  i32x2, f32x2,
                                                       f32x2, f32x2, f32x1, scalar};
static constexpr Type integerBatchMatmulOperands[] = {i8x3, f32x1, i8x3, f32x1};
static constexpr Type batchResults[] = {f32x3};
static constexpr Type weightOnlyLinearOperands[] = {f32x2, i32x2, f32x2, i8x2,  i32x1,
                                                    i32x1, i32x1, f32x1, f32x1, scalar};
static constexpr Type linearOperands[] = {f32x2, f32x2, f32x1};
static constexpr Type lookupDequantizeOperands[] = {i32x2,  f32x1,  f32x2, f32x1,
                                                    scalar, scalar, scalar};
static constexpr Type outlierColumnsOperands[] = {f32x2, f32x1};
static constexpr Type outlierColumnsResults[] = {i32x1};
static constexpr Type scaleChannelsOperands[] = {f32x2, f32x1};
static constexpr Type matrixResults[] = {f32x2};

static constexpr Function table[] = {
    {"ptq_rt_quantize", quantizeOperands, quantizeResults, quantize},
    {"ptq_rt_dynamic_quantize", dynamicQuantizeOperands, dynamicQuantizeResults, dynamicQuantize},
    {"ptq_rt_integer_linear", integerLinearOperands, matrixResults, integerLinear},
    {"ptq_rt_integer_linear_packed", integerLinearPackedOperands, matrixResults,
     integerLinearPacked},
    {"ptq_rt_integer_batch_matmul", integerBatchMatmulOperands, batchResults, integerBatchMatmul},
    {"ptq_rt_weight_only_linear", weightOnlyLinearOperands, matrixResults, weightOnlyLinear},
    {"ptq_rt_linear", linearOperands, matrixResults, linear},
    {"ptq_rt_lookup_dequantize", lookupDequantizeOperands, matrixResults, lookupDequantize},
    {"ptq_rt_outlier_columns", outlierColumnsOperands, outlierColumnsResults, outlierColumns},
    {"ptq_rt_scale_channels", scaleChannelsOperands, matrixResults, scaleChannels},
};

llvm::ArrayRef<Function> functions() { return table; }

const Function *findFunction(llvm::StringRef name) {
  const Function *found =
      llvm::find_if(table, [&](const Function &function) { return function.name == name; });
  return found == std::end(table) ? nullptr : found;
}

llvm::Error checkSize(llvm::StringRef what, const Argument &argument,
                      llvm::ArrayRef<int64_t> allowed) {
  if (llvm::is_contained(allowed, argument.size()))
    return llvm::Error::success();
  return llvm::createStringError(what + " have " + llvm::Twine(argument.size()) +
                                 " elements instead of " + llvm::Twine(allowed.front()));
}

llvm::Error checkBits(int32_t bits, int32_t greatest) {
  if (bits >= 2 && bits <= greatest)
    return llvm::Error::success();
  return llvm::createStringError("integers have 2 to " + llvm::Twine(greatest) + " bits, not " +
                                 llvm::Twine(bits));
}

} // namespace ptq::runtime
