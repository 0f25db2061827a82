// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Gemm.h"
#include "StridedCopy.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/Threads.h"

#include "mlir/IR/BuiltinTypes.h"

#include <cblas.h>
#include <vector>

namespace ptq::execution {

std::optional<FloatKind> getFloatKind(mlir::Type type) {
  if (type.isF16())
    return FloatKind::F16;
  if (type.isBF16())
    return FloatKind::BF16;
  if (type.isF32())
    return FloatKind::F32;
  if (type.isF64())
    return FloatKind::F64;
  return std::nullopt;
}

static int64_t widthOf(FloatKind kind) {
  return kind == FloatKind::F64 ? 8 : kind == FloatKind::F32 ? 4 : 2;
}

static checkpoint::DType dtypeOf(FloatKind kind) {
  switch (kind) {
  case FloatKind::F16:
    return checkpoint::DType::F16;
  case FloatKind::BF16:
    return checkpoint::DType::BF16;
  case FloatKind::F32:
    return checkpoint::DType::F32;
  case FloatKind::F64:
    return checkpoint::DType::F64;
  }
  llvm_unreachable("not a kind of float");
}

template <typename T>
static constexpr FloatKind kindOf = sizeof(T) == 8 ? FloatKind::F64 : FloatKind::F32;

/// n contiguous elements of `kind` as T.
template <typename T> static void convert(const char *from, FloatKind kind, T *to, int64_t n) {
  if (kind == kindOf<T>) {
    memcpy(to, from, n * sizeof(T));
  } else if constexpr (std::is_same_v<T, float>) {
    checkpoint::convertToFloat(dtypeOf(kind), {from, size_t(n * widthOf(kind))}, {to, size_t(n)});
  } else {
    std::vector<float> narrow(n);
    checkpoint::convertToFloat(dtypeOf(kind), {from, size_t(n * widthOf(kind))}, narrow);
    std::copy(narrow.begin(), narrow.end(), to);
  }
}

static void mergeLoops(llvm::SmallVectorImpl<GemmLoop> &loops) {
  llvm::SmallVector<GemmLoop, 2> merged;
  for (const GemmLoop &loop : loops) {
    if (loop.size == 1)
      continue;
    if (!merged.empty() && merged.back().first == loop.first * loop.size &&
        merged.back().second == loop.second * loop.size)
      merged.back() = {merged.back().size * loop.size, loop.first, loop.second};
    else
      merged.push_back(loop);
  }
  loops = std::move(merged);
}

/// Takes the largest loop out of `loops`, for the GEMM itself.
static GemmLoop takeLargest(llvm::SmallVectorImpl<GemmLoop> &loops) {
  if (loops.empty())
    return {1, 0, 0};
  auto *largest = std::max_element(loops.begin(), loops.end(),
                                   [](auto &a, auto &b) { return a.size < b.size; });
  GemmLoop taken = *largest;
  loops.erase(largest);
  return taken;
}

namespace {
/// An operand as BLAS takes it: element (i, j) at i * leading + j, or with i and j exchanged.
template <typename T> struct Operand {
  T *data;
  int64_t leading;
  bool transposed;
};

/// Reads blocks of one operand, packing them where it must.
template <typename T> class OperandReader {
public:
  /// A block is rows x columns, with these strides.
  OperandReader(const char *base, FloatKind kind, int64_t rows, int64_t columns, int64_t rowStride,
                int64_t columnStride)
      : base(base), kind(kind), rows(rows), columns(columns), rowStride(rowStride),
        columnStride(columnStride) {
    // A dimension of size 1 may have any stride.
    if (columns == 1)
      this->columnStride = 1;
    if (rows == 1)
      this->rowStride = this->columnStride == 1 ? columns : 1;
  }

  Operand<const T> block(int64_t offset) {
    const char *from = base + offset * widthOf(kind);
    if (kind == kindOf<T>) {
      auto *data = reinterpret_cast<const T *>(from);
      if (columnStride == 1 && rowStride >= columns)
        return {data, rowStride, false};
      if (rowStride == 1 && columnStride >= rows)
        return {data, columnStride, true};
    }
    if (from != packedFrom)
      pack(from);
    return {packed.data(), columns, false};
  }

private:
  void pack(const char *from) {
    packed.resize(rows * columns);
    int64_t width = widthOf(kind);
    int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(columns, 1));
    numerics::parallelFor(0, rows, grain, [&](int64_t first, int64_t last) {
      const char *start = from + first * rowStride * width;
      T *to = packed.data() + first * columns;
      int64_t count = (last - first) * columns;
      if (kind == kindOf<T>)
        return copyStrided(reinterpret_cast<char *>(to), {columns, 1}, start,
                           {rowStride, columnStride}, {last - first, columns}, width);
      if (columnStride == 1 && rowStride == columns)
        return convert(start, kind, to, count);
      std::vector<char> gathered(count * width);
      copyStrided(gathered.data(), {columns, 1}, start, {rowStride, columnStride},
                  {last - first, columns}, width);
      convert(gathered.data(), kind, to, count);
    });
    packedFrom = from;
  }

  const char *base;
  FloatKind kind;
  int64_t rows, columns, rowStride, columnStride;
  std::vector<T> packed;
  const char *packedFrom = nullptr;
};
} // namespace

static void gemm(bool transA, bool transB, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  auto ta = transA ? CblasTrans : CblasNoTrans, tb = transB ? CblasTrans : CblasNoTrans;
  // A matrix-vector product: several times as fast as a GEMM with one row.
  if (m == 1)
    cblas_sgemv(CblasRowMajor, transB ? CblasNoTrans : CblasTrans, transB ? n : k, transB ? k : n,
                1, b, ldb, a, transA ? lda : 1, beta, c, 1);
  else
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

static void gemm(bool transA, bool transB, int64_t m, int64_t n, int64_t k, const double *a,
                 int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc) {
  cblas_dgemm(CblasRowMajor, transA ? CblasTrans : CblasNoTrans, transB ? CblasTrans : CblasNoTrans,
              m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

/// Calls `body` with the sums of `first` and `second` strides for all positions of `loops`.
static void forEach(llvm::ArrayRef<GemmLoop> loops, llvm::function_ref<void(int64_t, int64_t)> body,
                    int64_t first = 0, int64_t second = 0) {
  if (loops.empty())
    return body(first, second);
  for (int64_t i = 0; i != loops.front().size; ++i)
    forEach(loops.drop_front(), body, first + i * loops.front().first,
            second + i * loops.front().second);
}

/// Values of C outside BLAS's reach: 16 bit, or without a unit stride.
template <typename T>
static void loadBlock(const char *c, FloatKind kind, const GemmLoop &m, const GemmLoop &n,
                      std::vector<T> &to) {
  OperandReader<T> reader(c, kind, m.size, n.size, m.second, n.second);
  Operand<const T> block = reader.block(0);
  copyStrided(reinterpret_cast<char *>(to.data()), {n.size, 1},
              reinterpret_cast<const char *>(block.data),
              {block.transposed ? 1 : block.leading, block.transposed ? block.leading : 1},
              {m.size, n.size}, sizeof(T));
}

template <typename T>
static void storeBlock(llvm::ArrayRef<T> from, char *c, FloatKind kind, const GemmLoop &m,
                       const GemmLoop &n) {
  int64_t width = widthOf(kind);
  int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(n.size, 1));
  numerics::parallelFor(0, m.size, grain, [&](int64_t first, int64_t last) {
    llvm::ArrayRef<T> rows = from.slice(first * n.size, (last - first) * n.size);
    std::vector<char> narrow;
    const char *source = reinterpret_cast<const char *>(rows.data());
    if constexpr (std::is_same_v<T, float>)
      if (kind != FloatKind::F32) {
        narrow.resize(rows.size() * width);
        checkpoint::convertFromFloat(dtypeOf(kind), rows, narrow);
        source = narrow.data();
      }
    copyStrided(c + first * m.second * width, {m.second, n.second}, source, {n.size, 1},
                {last - first, n.size}, width);
  });
}

template <typename T> static void run(GemmProblem &problem) {
  mergeLoops(problem.m);
  mergeLoops(problem.n);
  mergeLoops(problem.k);
  // Where C is contiguous along m, the transposed problem is the one that BLAS can write.
  auto isContiguous = [](llvm::ArrayRef<GemmLoop> loops) {
    return llvm::any_of(loops, [](const GemmLoop &loop) { return loop.second == 1; });
  };
  if (!isContiguous(problem.n) && isContiguous(problem.m)) {
    std::swap(problem.a, problem.b);
    std::swap(problem.kindA, problem.kindB);
    std::swap(problem.m, problem.n);
    for (GemmLoop &loop : problem.k)
      std::swap(loop.first, loop.second);
    for (GemmOffsets &offsets : problem.batch)
      std::swap(offsets.a, offsets.b);
  }
  GemmLoop m = takeLargest(problem.m), n = takeLargest(problem.n), k = takeLargest(problem.k);
  if (n.size == 1)
    n.second = 1;
  if (m.size == 1)
    m.second = n.size;

  OperandReader<T> a(problem.a, problem.kindA, m.size, k.size, m.first, k.first);
  OperandReader<T> b(problem.b, problem.kindB, k.size, n.size, k.second, n.first);
  bool inPlace = problem.kindC == kindOf<T> && n.second == 1 && m.second >= n.size;
  std::vector<T> block(inPlace ? 0 : m.size * n.size);
  int64_t widthC = widthOf(problem.kindC);

  for (const GemmOffsets &offsets : problem.batch)
    forEach(problem.m, [&](int64_t mA, int64_t mC) {
      forEach(problem.n, [&](int64_t nB, int64_t nC) {
        char *c = problem.c + (offsets.c + mC + nC) * widthC;
        T *to = inPlace ? reinterpret_cast<T *>(c) : block.data();
        int64_t leading = inPlace ? m.second : n.size;
        bool accumulate = problem.accumulate;
        if (!inPlace && accumulate)
          loadBlock(c, problem.kindC, m, n, block);
        forEach(problem.k, [&](int64_t kA, int64_t kB) {
          Operand<const T> left = a.block(offsets.a + mA + kA),
                           right = b.block(offsets.b + nB + kB);
          gemm(left.transposed, right.transposed, m.size, n.size, k.size, left.data, left.leading,
               right.data, right.leading, accumulate ? 1 : 0, to, leading);
          accumulate = true;
        });
        if (!inPlace)
          storeBlock<T>(block, c, problem.kindC, m, n);
      });
    });
}

void runGemm(GemmProblem problem) {
  for (const auto *loops : {&problem.m, &problem.n})
    for (const GemmLoop &loop : *loops)
      if (loop.size == 0)
        return;
  for (const GemmLoop &loop : problem.k)
    if (loop.size == 0) {
      // A sum over nothing is zero.
      if (!problem.accumulate)
        for (const GemmOffsets &offsets : problem.batch)
          forEach(problem.m, [&](int64_t, int64_t mC) {
            forEach(problem.n, [&](int64_t, int64_t nC) {
              int64_t width = widthOf(problem.kindC);
              memset(problem.c + (offsets.c + mC + nC) * width, 0, width);
            });
          });
      return;
    }
  if (problem.kindC == FloatKind::F64)
    run<double>(problem);
  else
    run<float>(problem);
}

} // namespace ptq::execution
