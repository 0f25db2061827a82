// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dimensions that are contiguous in both layouts are merged first; then the innermost one or two
// are copied by a routine for their pattern, and the others are counted through.
//
#include "StridedCopy.h"

#include <cstring>

namespace ptq::execution {

llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0; stride *= shape[d])
    strides[d] = stride;
  return strides;
}

namespace {
struct Dimension {
  int64_t size, to, from;
};
} // namespace

/// Rows and columns where `to` is contiguous along columns and `from` along rows: in tiles that
/// keep both sides' cache lines in use.
template <typename T>
static void transpose(T *to, const T *from, const Dimension &rows, const Dimension &columns) {
  constexpr int64_t tile = 32;
  for (int64_t r0 = 0; r0 < rows.size; r0 += tile)
    for (int64_t c0 = 0; c0 < columns.size; c0 += tile) {
      int64_t rEnd = std::min(r0 + tile, rows.size), cEnd = std::min(c0 + tile, columns.size);
      for (int64_t r = r0; r != rEnd; ++r)
        for (int64_t c = c0; c != cEnd; ++c)
          to[r * rows.to + c * columns.to] = from[r * rows.from + c * columns.from];
    }
}

template <typename T> static void copyRow(T *to, const T *from, const Dimension &d) {
  if (d.to == 1 && d.from == 1)
    memcpy(to, from, d.size * sizeof(T));
  else if (d.to == 1 && d.from == 0)
    std::fill_n(to, d.size, *from);
  else
    for (int64_t i = 0; i != d.size; ++i)
      to[i * d.to] = from[i * d.from];
}

template <typename T>
static void copyDimensions(T *to, const T *from, llvm::ArrayRef<Dimension> dims) {
  if (dims.empty()) {
    *to = *from;
    return;
  }
  if (dims.size() == 1)
    return copyRow(to, from, dims[0]);
  if (dims.size() == 2 && dims[1].from != 1 && dims[0].from == 1)
    return transpose(to, from, dims[0], dims[1]);
  for (int64_t i = 0; i != dims[0].size; ++i)
    copyDimensions(to + i * dims[0].to, from + i * dims[0].from, dims.drop_front());
}

void copyStrided(char *to, llvm::ArrayRef<int64_t> toStrides, const char *from,
                 llvm::ArrayRef<int64_t> fromStrides, llvm::ArrayRef<int64_t> shape,
                 int64_t elementBytes) {
  llvm::SmallVector<Dimension> dims;
  for (size_t d = 0; d != shape.size(); ++d) {
    if (shape[d] == 0)
      return;
    if (shape[d] == 1)
      continue;
    Dimension next{shape[d], toStrides[d], fromStrides[d]};
    if (!dims.empty() && dims.back().to == next.to * next.size &&
        dims.back().from == next.from * next.size)
      dims.back() = {dims.back().size * next.size, next.to, next.from};
    else
      dims.push_back(next);
  }
  // A transposed source: bring the dimension it is contiguous in next to the innermost one, where
  // tiles can be formed.
  if (dims.size() > 2 && dims.back().from != 1)
    for (size_t d = 0; d + 2 < dims.size(); ++d)
      if (dims[d].from == 1) {
        Dimension contiguous = dims[d];
        dims.erase(dims.begin() + d);
        dims.insert(dims.end() - 1, contiguous);
        break;
      }
  switch (elementBytes) {
  case 1:
    return copyDimensions(reinterpret_cast<uint8_t *>(to), reinterpret_cast<const uint8_t *>(from),
                          dims);
  case 2:
    return copyDimensions(reinterpret_cast<uint16_t *>(to),
                          reinterpret_cast<const uint16_t *>(from), dims);
  case 4:
    return copyDimensions(reinterpret_cast<uint32_t *>(to),
                          reinterpret_cast<const uint32_t *>(from), dims);
  default:
    return copyDimensions(reinterpret_cast<uint64_t *>(to),
                          reinterpret_cast<const uint64_t *>(from), dims);
  }
}

} // namespace ptq::execution
