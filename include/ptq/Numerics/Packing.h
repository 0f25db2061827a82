// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dense bit packing of codes into 32-bit words, the layout of compressed-tensors' pack-quantized
// format: a row is one bit stream, least significant bit first, of the unsigned values q + 2^(b-1);
// codes of 3, 5, 6 and 7 bits cross word boundaries; each row starts at a new word and ends in zero
// bits.

#ifndef PTQ_NUMERICS_PACKING_H
#define PTQ_NUMERICS_PACKING_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

/// Words of a packed row: ceil(columns * bits / 32).
int64_t packedWords(int64_t columns, unsigned bits);

/// Packs signed codes [rows, columns] in [-2^(b-1), 2^(b-1) - 1]; bits in [2, 8].
/// The result is [rows, packedWords(columns, bits)]. Bits above the b lowest of a code are ignored.
std::vector<uint32_t> packCodes(llvm::ArrayRef<int8_t> codes, int64_t rows, int64_t columns,
                                unsigned bits);

/// The inverse: signed codes [rows, columns] from words [rows, packedWords(columns, bits)].
std::vector<int8_t> unpackCodes(llvm::ArrayRef<uint32_t> words, int64_t rows, int64_t columns,
                                unsigned bits);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_PACKING_H
