// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C interface: memref descriptors to arguments of the table's functions, and results back.

#include "ptq/Runtime/Runtime.h"
#include "ptq/Runtime/Function.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <vector>

using namespace ptq::runtime;

namespace {

/// The arguments of a call, and the memory of those that had to be made dense.
struct Call {
  std::vector<Argument> arguments;
  std::vector<std::vector<char>> copies;
};

[[noreturn]] void fail(const char *function, const char *message) {
  std::fprintf(stderr, "%s: %s\n", function, message);
  std::abort();
}

template <typename T> constexpr size_t rankOf = std::extent_v<decltype(T::sizes)>;

/// Copies elements of any strides to `to`, row major.
template <typename T>
void gather(const T *from, const int64_t *sizes, const int64_t *strides, size_t rank, T *&to) {
  if (rank == 0) {
    *to++ = *from;
    return;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    gather(from + i * strides[0], sizes + 1, strides + 1, rank - 1, to);
}

void addArgument(Call &call, int32_t scalar) {
  call.arguments.emplace_back();
  call.arguments.back().scalar = scalar;
}

template <typename Descriptor> void addArgument(Call &call, const Descriptor *tensor) {
  constexpr size_t rank = rankOf<Descriptor>;
  using T = std::remove_pointer_t<decltype(tensor->aligned)>;
  Argument argument;
  argument.shape.assign(tensor->sizes, tensor->sizes + rank);
  const T *data = tensor->aligned + tensor->offset;
  argument.data = data;
  bool isDense = true;
  for (int64_t d = rank, expected = 1; d-- > 0; expected *= tensor->sizes[d])
    isDense &= tensor->sizes[d] <= 1 || tensor->strides[d] == expected;
  if (!isDense && argument.size() > 0) {
    call.copies.emplace_back(argument.size() * sizeof(T));
    T *to = reinterpret_cast<T *>(call.copies.back().data());
    argument.data = to;
    gather(data, tensor->sizes, tensor->strides, rank, to);
  }
  call.arguments.push_back(std::move(argument));
}

/// A dense tensor in memory of malloc.
template <typename Descriptor>
void *allocate(Descriptor &result, llvm::ArrayRef<int64_t> shape, const char *name) {
  constexpr size_t rank = rankOf<Descriptor>, alignment = 64;
  int64_t stride = 1;
  for (size_t d = rank; d-- > 0; stride *= shape[d]) {
    result.sizes[d] = shape[d];
    result.strides[d] = stride;
  }
  size_t bytes = std::max<size_t>(1, stride) * sizeof(*result.aligned);
  void *memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!memory)
    fail(name, "out of memory");
  result.offset = 0;
  result.allocated = result.aligned = static_cast<decltype(result.aligned)>(memory);
  return memory;
}

/// Calls `name`; results(i, shape) gives memory for result i.
template <typename Results, typename... Arguments>
void call(const char *name, Results results, Arguments... given) {
  const Function *function = findFunction(name);
  Call call;
  (addArgument(call, given), ...);
  if (llvm::Error error = function->call(call.arguments, results))
    fail(name, toString(std::move(error)).c_str());
}

/// Calls a function of one result.
template <typename Result, typename... Arguments>
void callOne(const char *name, Result *result, Arguments... arguments) {
  call(
      name, [&](unsigned, llvm::ArrayRef<int64_t> shape) { return allocate(*result, shape, name); },
      arguments...);
}

} // namespace

void _mlir_ciface_ptq_rt_quantize(ptq_rt_i8x2 *q, ptq_rt_f32x2 *x, ptq_rt_f32x1 *channel_scales,
                                  ptq_rt_f32x1 *scales, ptq_rt_i8x1 *zero_points, int32_t bits) {
  callOne("ptq_rt_quantize", q, x, channel_scales, scales, zero_points, bits);
}

void _mlir_ciface_ptq_rt_dynamic_quantize(ptq_rt_quantized *result, ptq_rt_f32x2 *x,
                                          ptq_rt_f32x1 *channel_scales, int32_t bits,
                                          int32_t asymmetric, int32_t per_tensor,
                                          int32_t scale_type) {
  constexpr const char *name = "ptq_rt_dynamic_quantize";
  auto results = [&](unsigned index, llvm::ArrayRef<int64_t> shape) {
    switch (index) {
    case 0:
      return allocate(result->q, shape, name);
    case 1:
      return allocate(result->scales, shape, name);
    default:
      return allocate(result->zero_points, shape, name);
    }
  };
  call(name, results, x, channel_scales, bits, asymmetric, per_tensor, scale_type);
}

void _mlir_ciface_ptq_rt_integer_linear(ptq_rt_f32x2 *y, ptq_rt_i8x2 *x, ptq_rt_f32x1 *x_scales,
                                        ptq_rt_i8x1 *x_zero_points, ptq_rt_i8x2 *weight,
                                        ptq_rt_f32x2 *weight_scales, ptq_rt_f32x2 *outliers,
                                        ptq_rt_f32x2 *weight_outliers, ptq_rt_f32x1 *bias) {
  callOne("ptq_rt_integer_linear", y, x, x_scales, x_zero_points, weight, weight_scales, outliers,
          weight_outliers, bias);
}

void _mlir_ciface_ptq_rt_integer_linear_packed(ptq_rt_f32x2 *y, ptq_rt_i8x2 *x,
                                               ptq_rt_f32x1 *x_scales, ptq_rt_i8x1 *x_zero_points,
                                               ptq_rt_i32x2 *weight, ptq_rt_f32x2 *weight_scales,
                                               ptq_rt_f32x2 *outliers,
                                               ptq_rt_f32x2 *weight_outliers, ptq_rt_f32x1 *bias,
                                               int32_t bits) {
  callOne("ptq_rt_integer_linear_packed", y, x, x_scales, x_zero_points, weight, weight_scales,
          outliers, weight_outliers, bias, bits);
}

void _mlir_ciface_ptq_rt_outlier_columns(ptq_rt_i32x1 *columns, ptq_rt_f32x2 *x,
                                         ptq_rt_f32x1 *threshold) {
  callOne("ptq_rt_outlier_columns", columns, x, threshold);
}

void _mlir_ciface_ptq_rt_integer_batch_matmul(ptq_rt_f32x3 *y, ptq_rt_i8x3 *a,
                                              ptq_rt_f32x1 *a_scales, ptq_rt_i8x3 *b,
                                              ptq_rt_f32x1 *b_scales) {
  callOne("ptq_rt_integer_batch_matmul", y, a, a_scales, b, b_scales);
}

void _mlir_ciface_ptq_rt_weight_only_linear(ptq_rt_f32x2 *y, ptq_rt_f32x2 *x, ptq_rt_i32x2 *weight,
                                            ptq_rt_f32x2 *scales, ptq_rt_i8x2 *zero_points,
                                            ptq_rt_i32x1 *group_index, ptq_rt_i32x1 *row_offsets,
                                            ptq_rt_i32x1 *columns, ptq_rt_f32x1 *values,
                                            ptq_rt_f32x1 *bias, int32_t bits) {
  callOne("ptq_rt_weight_only_linear", y, x, weight, scales, zero_points, group_index, row_offsets,
          columns, values, bias, bits);
}

void _mlir_ciface_ptq_rt_linear(ptq_rt_f32x2 *y, ptq_rt_f32x2 *x, ptq_rt_f32x2 *weight,
                                ptq_rt_f32x1 *bias) {
  callOne("ptq_rt_linear", y, x, weight, bias);
}

void _mlir_ciface_ptq_rt_lookup_dequantize(ptq_rt_f32x2 *w, ptq_rt_i32x2 *codes,
                                           ptq_rt_f32x1 *table, ptq_rt_f32x2 *scales,
                                           ptq_rt_f32x1 *offset, int32_t columns, int32_t bits,
                                           int32_t group_size) {
  callOne("ptq_rt_lookup_dequantize", w, codes, table, scales, offset, columns, bits, group_size);
}

void _mlir_ciface_ptq_rt_scale_channels(ptq_rt_f32x2 *y, ptq_rt_f32x2 *x, ptq_rt_f32x1 *scales) {
  callOne("ptq_rt_scale_channels", y, x, scales);
}
