// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the formats' encoders and decoders share: transposition, reading with checks, and the
// parameters of a QuantizedWeight in the shapes that files have.

#ifndef PTQ_LIB_CHECKPOINT_LAYERCODEC_H
#define PTQ_LIB_CHECKPOINT_LAYERCODEC_H

#include "ptq/Checkpoint/QuantizedLayer.h"

namespace ptq::checkpoint::codec {

/// [rows, columns] to [columns, rows], in blocks.
template <typename T>
std::vector<T> transpose(llvm::ArrayRef<T> from, int64_t rows, int64_t columns) {
  constexpr int64_t block = 32;
  std::vector<T> to(from.size());
  for (int64_t i0 = 0; i0 < rows; i0 += block)
    for (int64_t j0 = 0; j0 < columns; j0 += block)
      for (int64_t i = i0; i < std::min(i0 + block, rows); ++i)
        for (int64_t j = j0; j < std::min(j0 + block, columns); ++j)
          to[j * rows + i] = from[i * columns + j];
  return to;
}

template <typename T>
LayerTensor makeTensor(llvm::StringRef suffix, DType dtype, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<T> data) {
  const char *bytes = reinterpret_cast<const char *>(data.data());
  return {suffix.str(), dtype, llvm::SmallVector<int64_t, 4>(shape),
          std::vector<char>(bytes, bytes + data.size() * sizeof(T))};
}

/// Scales as stored.
LayerTensor makeScales(llvm::StringRef suffix, DType type, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<float> scales);

/// Scales [rows, groups], a scale per tensor repeated for each row.
std::vector<float> expandScales(const numerics::QuantizedWeight &weight);
/// Zero points [rows, groups], 0 where symmetric.
std::vector<int8_t> expandZeroPoints(const numerics::QuantizedWeight &weight);

/// The tensor, which must exist, have one of `types` and `rank` extents.
llvm::Expected<TensorView> require(LayerLookup lookup, llvm::StringRef suffix,
                                   llvm::ArrayRef<DType> types, size_t rank);
llvm::Error checkShape(const TensorView &tensor, llvm::ArrayRef<int64_t> shape);

/// The elements of a tensor, copied: files need not align them.
template <typename T> std::vector<T> elements(const TensorView &tensor) {
  std::vector<T> result(tensor.data.size() / sizeof(T));
  if (!result.empty())
    std::memcpy(result.data(), tensor.data.data(), result.size() * sizeof(T));
  return result;
}

/// Elements of a float tensor; an error for one that is not finite.
llvm::Expected<std::vector<float>> finiteFloats(const TensorView &tensor);

/// Puts granularity, group size and a checked group index into a weight of rows x columns with
/// `groups` scales a row. groupIndex is dropped where it says j / groupSize.
llvm::Error setGroups(numerics::QuantizedWeight &weight, int64_t groups, const StoredScheme &scheme,
                      std::vector<int32_t> groupIndex);

constexpr DType scaleTypes[] = {DType::F16, DType::BF16, DType::F32};

using Encoded = llvm::Expected<std::vector<LayerTensor>>;
using Decoded = llvm::Expected<numerics::QuantizedWeight>;
Encoded encodeGptq(const numerics::QuantizedWeight &weight, bool v2, DType scaleType);
Decoded decodeGptq(const StoredScheme &scheme, bool v2, LayerLookup lookup);
Encoded encodeAwq(const numerics::QuantizedWeight &weight, DType scaleType);
Decoded decodeAwq(const StoredScheme &scheme, LayerLookup lookup);
Encoded encodePackQuantized(const numerics::QuantizedWeight &weight, DType scaleType);
Decoded decodePackQuantized(const StoredScheme &scheme, LayerLookup lookup);
Encoded encodeIntQuantized(const numerics::QuantizedWeight &weight, DType scaleType);
Decoded decodeIntQuantized(const StoredScheme &scheme, LayerLookup lookup);

} // namespace ptq::checkpoint::codec

#endif
