// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// scalar.ptx is generated from this file: nvcc -ptx -arch=sm_80 -fmad=false -diag-suppress 550 scalar.cu -o scalar.ptx
#define FUNCTION(name, T, R, expression)                                                           \
  extern "C" __global__ void name(const T *pa, const T *pb, const T *pc, R *result, int n) {       \
    int i = blockIdx.x * blockDim.x + threadIdx.x;                                                 \
    if (i >= n)                                                                                    \
      return;                                                                                      \
    T a = pa[i], b = pb[i], c = pc[i];                                                             \
    (void)b;                                                                                       \
    (void)c;                                                                                       \
    result[i] = expression;                                                                        \
  }
#include "scalar.inc"
