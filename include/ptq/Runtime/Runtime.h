/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The CPU runtime that --ptq-to-cpu's output calls: libPTQRuntime.so. A C interface in the form
 * that MLIR's attribute llvm.emit_c_interface calls: for a function @f the symbol is
 * _mlir_ciface_f, tensors are pointers to memref descriptors of any strides, scalars are values,
 * and results come first: a pointer to one descriptor, or to a structure of several.
 *
 * Results are dense and lie in memory of malloc, which the caller frees (memref.dealloc does). An
 * operand that is not there is a tensor without elements. Numbers of rows and columns must fit
 * together: a call where they do not prints what is wrong and aborts, since it has no way to fail.
 *
 * Types: f32, i8 and i32; floats of 16 bits are widened before and rounded after the call. What the
 * functions compute is what the operations of the same names do (docs/Dialect.md), in the
 * same order: integers are exact, floats are those of quant-run.
 *
 * All may be called from several threads at a time. Work is split over as many threads as the
 * process may run on.
 */

#ifndef PTQ_RUNTIME_RUNTIME_H
#define PTQ_RUNTIME_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PTQ_RT_EXPORT __attribute__((visibility("default")))

/* Memref descriptors: element (i, j) is aligned[offset + i * strides[0] + j * strides[1]]. */
#define PTQ_RT_DESCRIPTOR(name, type, rank)                                                        \
  typedef struct {                                                                                 \
    type *allocated, *aligned;                                                                     \
    int64_t offset, sizes[rank], strides[rank];                                                    \
  } name
PTQ_RT_DESCRIPTOR(ptq_rt_f32x1, float, 1);
PTQ_RT_DESCRIPTOR(ptq_rt_f32x2, float, 2);
PTQ_RT_DESCRIPTOR(ptq_rt_f32x3, float, 3);
PTQ_RT_DESCRIPTOR(ptq_rt_i8x1, int8_t, 1);
PTQ_RT_DESCRIPTOR(ptq_rt_i8x2, int8_t, 2);
PTQ_RT_DESCRIPTOR(ptq_rt_i8x3, int8_t, 3);
PTQ_RT_DESCRIPTOR(ptq_rt_i32x1, int32_t, 1);
PTQ_RT_DESCRIPTOR(ptq_rt_i32x2, int32_t, 2);
#undef PTQ_RT_DESCRIPTOR

/* q[m, k] = clamp(round(x[m, k]*c[k] / s[m]) + z[m]), to nearest even, in [-2^(bits-1),
 * 2^(bits-1)). x [M, K]; scales and zero_points [M], or [1] for all rows; channel_scales c [K] or
 * absent (1); zero_points absent: 0. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_quantize(ptq_rt_i8x2 *q, ptq_rt_f32x2 *x,
                                                ptq_rt_f32x1 *channel_scales, ptq_rt_f32x1 *scales,
                                                ptq_rt_i8x1 *zero_points, int32_t bits);

typedef struct {
  ptq_rt_i8x2 q;
  ptq_rt_f32x1 scales;
  ptq_rt_i8x1 zero_points;
} ptq_rt_quantized;

/* The type whose numbers dynamic scales are rounded to. */
enum { PTQ_RT_SCALE_F32 = 0, PTQ_RT_SCALE_F16 = 1, PTQ_RT_SCALE_BF16 = 2 };

/* Quantizes x [M, K] with scales of its own: for each row [M], or with per_tensor one [1]. Without
 * asymmetric, the zero points are 0. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_dynamic_quantize(ptq_rt_quantized *result, ptq_rt_f32x2 *x,
                                                        ptq_rt_f32x1 *channel_scales, int32_t bits,
                                                        int32_t asymmetric, int32_t per_tensor,
                                                        int32_t scale_type);

/* y[m, n] = (sum_g float(sum_{k in g} (x[m, k] - z[m])*w[n, k])*ws[n, g])*xs[m]
 *           + sum_j xo[m, j]*wo[n, j] + b[n].
 * x [M, K]; x_scales and x_zero_points [M] or [1]; weight [N, K]; weight_scales [N, groups] or
 * [1, 1]; outliers xo [M, O] and weight_outliers wo [N, O], or both absent; bias [N] or absent.
 * y [M, N]. */
PTQ_RT_EXPORT void
_mlir_ciface_ptq_rt_integer_linear(ptq_rt_f32x2 *y, ptq_rt_i8x2 *x, ptq_rt_f32x1 *x_scales,
                                   ptq_rt_i8x1 *x_zero_points, ptq_rt_i8x2 *weight,
                                   ptq_rt_f32x2 *weight_scales, ptq_rt_f32x2 *outliers,
                                   ptq_rt_f32x2 *weight_outliers, ptq_rt_f32x1 *bias);

/* The same with weights of 2 to 7 bits, packed as in ptq.weight_only_linear: [N, ceil(K*bits/32)].
 */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_integer_linear_packed(
    ptq_rt_f32x2 *y, ptq_rt_i8x2 *x, ptq_rt_f32x1 *x_scales, ptq_rt_i8x1 *x_zero_points,
    ptq_rt_i32x2 *weight, ptq_rt_f32x2 *weight_scales, ptq_rt_f32x2 *outliers,
    ptq_rt_f32x2 *weight_outliers, ptq_rt_f32x1 *bias, int32_t bits);

/* The columns k, ascending, of x [M, K] with any |x[m, k]| >= threshold[0]; a NaN counts as one.
 * threshold [1]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_outlier_columns(ptq_rt_i32x1 *columns, ptq_rt_f32x2 *x,
                                                       ptq_rt_f32x1 *threshold);

/* y[i, m, n] = (float(sum_k a[i, m, k]*b[i, n, k])*bs[i, n])*as[i, m]: a [B, M, K], b [B, N, K],
 * scales [B*M] and [B*N], or [1]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_integer_batch_matmul(ptq_rt_f32x3 *y, ptq_rt_i8x3 *a,
                                                            ptq_rt_f32x1 *a_scales, ptq_rt_i8x3 *b,
                                                            ptq_rt_f32x1 *b_scales);

/* y = x*W^T + b with W[n, k] = (q[n, k] - z[n, g])*s[n, g], g = k/(K/groups), or group_index[k]:
 * x [M, K], weight [N, ceil(K*bits/32)], scales [N, groups] or [1, 1], zero_points of that shape or
 * absent, group_index [K] or absent, bias [N] or absent. W also has, or all three are absent,
 * values[j] in row n and column columns[j] for row_offsets[n] <= j < row_offsets[n + 1]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_weight_only_linear(
    ptq_rt_f32x2 *y, ptq_rt_f32x2 *x, ptq_rt_i32x2 *weight, ptq_rt_f32x2 *scales,
    ptq_rt_i8x2 *zero_points, ptq_rt_i32x1 *group_index, ptq_rt_i32x1 *row_offsets,
    ptq_rt_i32x1 *columns, ptq_rt_f32x1 *values, ptq_rt_f32x1 *bias, int32_t bits);

/* y[m, n] = sum_k x[m, k]*w[n, k] + b[n]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_linear(ptq_rt_f32x2 *y, ptq_rt_f32x2 *x,
                                              ptq_rt_f32x2 *weight, ptq_rt_f32x1 *bias);

/* w[n, k] = table[c[n, k]]*s[n, k/group_size] + offset: codes [N, ceil(columns*bits/32)], packed as
 * in ptq.lookup_dequantize, table [2^bits], scales [N, ceil(columns/group_size)], offset [1] or
 * absent (0). w [N, columns]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_lookup_dequantize(ptq_rt_f32x2 *w, ptq_rt_i32x2 *codes,
                                                         ptq_rt_f32x1 *table, ptq_rt_f32x2 *scales,
                                                         ptq_rt_f32x1 *offset, int32_t columns,
                                                         int32_t bits, int32_t group_size);

/* y[m, k] = x[m, k]*s[k]. */
PTQ_RT_EXPORT void _mlir_ciface_ptq_rt_scale_channels(ptq_rt_f32x2 *y, ptq_rt_f32x2 *x,
                                                      ptq_rt_f32x1 *scales);

#ifdef __cplusplus
}
#endif

#endif /* PTQ_RUNTIME_RUNTIME_H */
