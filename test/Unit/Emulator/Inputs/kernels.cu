// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// kernels.ptx is generated from this file: nvcc -ptx -arch=sm_80 kernels.cu -o kernels.ptx
// Whole kernels, compared with the host by KernelTest.cpp.
#include <cuda_pipeline.h>
#include <cstdint>
extern "C" {
__global__ void vector_add(const float *a, const float *b, float *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}
__global__ void reduce_sum(const int *in, int *out, int n) {
  __shared__ int s[256];
  int t = threadIdx.x, i = blockIdx.x * 512 + t;
  int v = 0;
  if (i < n) v = in[i];
  if (i + 256 < n) v += in[i + 256];
  s[t] = v;
  __syncthreads();
  for (int d = 128; d >= 32; d >>= 1) {
    if (t < d) s[t] += s[t + d];
    __syncthreads();
  }
  if (t < 32) {
    v = s[t];
    for (int d = 16; d; d >>= 1) v += __shfl_down_sync(~0u, v, d);
    if (t == 0) atomicAdd(out, v);
  }
}
__global__ void gemm_tiled(const float *a, const float *b, float *c, int m, int n, int k) {
  __shared__ float sa[16][17], sb[16][17];
  int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 16 + y, col = blockIdx.x * 16 + x;
  float acc = 0;
  for (int t = 0; t < k; t += 16) {
    sa[y][x] = row < m && t + x < k ? a[row * k + t + x] : 0;
    sb[y][x] = t + y < k && col < n ? b[(t + y) * n + col] : 0;
    __syncthreads();
    for (int i = 0; i < 16; ++i) acc = fmaf(sa[y][i], sb[i][x], acc);
    __syncthreads();
  }
  if (row < m && col < n) c[row * n + col] = acc;
}
__global__ void histogram(const uint8_t *in, unsigned *bins, int n) {
  __shared__ unsigned local[256];
  local[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}
__global__ void inclusive_scan(const int *in, int *out, int n) {
  __shared__ int sums[32];
  int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  int v = t < n ? in[t] : 0;
  for (int d = 1; d < 32; d <<= 1) {
    int u = __shfl_up_sync(~0u, v, d);
    if (lane >= d) v += u;
  }
  if (lane == 31) sums[warp] = v;
  __syncthreads();
  if (warp == 0) {
    int s = lane < (int)(blockDim.x >> 5) ? sums[lane] : 0;
    for (int d = 1; d < 32; d <<= 1) {
      int u = __shfl_up_sync(~0u, s, d);
      if (lane >= d) s += u;
    }
    sums[lane] = s;
  }
  __syncthreads();
  if (warp) v += sums[warp - 1];
  if (t < n) out[t] = v;
}
__global__ void softmax_rows(const float *in, float *out, int cols) {
  __shared__ float part[8];
  const float *x = in + blockIdx.x * cols;
  float *y = out + blockIdx.x * cols;
  int t = threadIdx.x;
  float m = -3.402823466e38f;
  for (int i = t; i < cols; i += blockDim.x) m = fmaxf(m, x[i]);
  for (int d = 16; d; d >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
  if ((t & 31) == 0) part[t >> 5] = m;
  __syncthreads();
  m = part[0];
  for (int i = 1; i < 8; ++i) m = fmaxf(m, part[i]);
  __syncthreads();
  float s = 0;
  for (int i = t; i < cols; i += blockDim.x) s += expf(x[i] - m);
  for (int d = 16; d; d >>= 1) s += __shfl_xor_sync(~0u, s, d);
  if ((t & 31) == 0) part[t >> 5] = s;
  __syncthreads();
  s = 0;
  for (int i = 0; i < 8; ++i) s += part[i];
  for (int i = t; i < cols; i += blockDim.x) y[i] = expf(x[i] - m) / s;
}
__global__ void transpose(const int *in, int *out, int rows, int cols) {
  __shared__ int tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8)
    if (x < cols && y + i < rows) tile[threadIdx.y + i][threadIdx.x] = in[(y + i) * cols + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x;
  y = blockIdx.x * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8)
    if (x < rows && y + i < cols) out[(y + i) * rows + x] = tile[threadIdx.x][threadIdx.y + i];
}
__global__ void async_pipeline(const int4 *in, int *out, int tiles) {
  __shared__ int4 buffer[3][64];
  int t = threadIdx.x;
  for (int s = 0; s < 2; ++s) {
    if (s < tiles) __pipeline_memcpy_async(&buffer[s][t], &in[s * 64 + t], 16);
    __pipeline_commit();
  }
  int sum = 0;
  for (int k = 0; k < tiles; ++k) {
    __pipeline_wait_prior(1);
    __syncthreads();
    int4 v = buffer[k % 3][63 - t];
    sum += v.x + 2 * v.y + 3 * v.z + 4 * v.w;
    int next = k + 2;
    if (next < tiles) __pipeline_memcpy_async(&buffer[next % 3][t], &in[next * 64 + t], 16);
    __pipeline_commit();
  }
  out[t] = sum;
}
__global__ void bitonic_sort(int *data) {
  __shared__ int s[256];
  int t = threadIdx.x;
  s[t] = data[t];
  for (int k = 2; k <= 256; k <<= 1)
    for (int j = k >> 1; j; j >>= 1) {
      __syncthreads();
      int p = t ^ j;
      if (p > t) {
        int a = s[t], b = s[p];
        if ((a > b) == ((t & k) == 0)) { s[t] = b; s[p] = a; }
      }
    }
  __syncthreads();
  data[t] = s[t];
}
__device__ __noinline__ int collatz(int n) {
  int steps = 0;
  while (n != 1) { n = n & 1 ? 3 * n + 1 : n / 2; ++steps; }
  return steps;
}
__global__ void collatz_steps(int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = collatz(i + 1);
}
__global__ void last_block_sum(const int *in, int *partial, unsigned *ticket, int *out) {
  __shared__ bool last;
  int t = threadIdx.x;
  int v = in[blockIdx.x * 32 + t];
  for (int d = 16; d; d >>= 1) v += __shfl_down_sync(~0u, v, d);
  if (t == 0) {
    partial[blockIdx.x] = v;
    __threadfence();
    last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last) {
    int s = 0;
    for (int i = t; i < gridDim.x; i += 32) s += ((volatile int *)partial)[i];
    for (int d = 16; d; d >>= 1) s += __shfl_down_sync(~0u, s, d);
    if (t == 0) *out = s;
  }
}
// One warp: C[16][8·columns] = A[16][K]·B^T, s8, B as [n][k].
__global__ void mma_s8_gemm(const int8_t *a, const int8_t *b, int *c, int n, int k) {
  int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
  int row0 = blockIdx.y * 16, col0 = blockIdx.x * 8;
  int d[4] = {0, 0, 0, 0};
  for (int kk = 0; kk < k; kk += 32) {
    const int *pa = (const int *)(a + (row0 + g) * k + kk), *pa8 = (const int *)(a + (row0 + g + 8) * k + kk);
    const int *pb = (const int *)(b + (col0 + g) * k + kk);
    int a0 = pa[t], a1 = pa8[t], a2 = pa[t + 4], a3 = pa8[t + 4], b0 = pb[t], b1 = pb[t + 4];
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
  c[(row0 + g) * n + col0 + 2 * t] = d[0];
  c[(row0 + g) * n + col0 + 2 * t + 1] = d[1];
  c[(row0 + g + 8) * n + col0 + 2 * t] = d[2];
  c[(row0 + g + 8) * n + col0 + 2 * t + 1] = d[3];
}
}
