// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows are unpacked a chunk at a time, to signed codes, and looked up from the table's middle.

#include "ptq/Numerics/LookupDequantize.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>

namespace ptq::numerics {

template <typename T> void dequantize(const LookupWeight<T> &weight, MatrixRef<T> out) {
  if (out.rows == 0 || out.columns == 0)
    return;
  int64_t width = packedWords(out.columns, weight.bits);
  int64_t groups = (out.columns - 1) / weight.groupSize + 1;
  const T *middle = weight.table.data() + weight.table.size() / 2;
  parallelFor(0, out.rows, 16, [&](int64_t first, int64_t last) {
    std::vector<int8_t> codes =
        unpackCodes(weight.words.slice(first * width, (last - first) * width), last - first,
                    out.columns, weight.bits);
    for (int64_t i = first; i < last; ++i) {
      const int8_t *row = codes.data() + (i - first) * out.columns;
      for (int64_t g = 0; g < groups; ++g) {
        T scale = weight.scales[i * groups + g];
        int64_t begin = g * weight.groupSize;
        int64_t end = std::min(out.columns, begin + weight.groupSize);
        for (int64_t j = begin; j < end; ++j) {
          T product = middle[row[j]] * scale;
          out(i, j) = product + weight.offset;
        }
      }
    }
  });
}

template void dequantize(const LookupWeight<float> &weight, MatrixRef<float> out);
template void dequantize(const LookupWeight<double> &weight, MatrixRef<double> out);

} // namespace ptq::numerics
