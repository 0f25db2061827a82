// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dense bit packing. Widths that divide 8 go eight codes at a time, in the bytes of a 64-bit
// integer; the others through a bit accumulator.

#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Threads.h"
#include "llvm/Support/Endian.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

using llvm::support::endian::read64le;
using llvm::support::endian::write64le;

constexpr uint64_t allBytes = 0x0101010101010101ull;

/// Eight codes, a byte each, to 8 * bits consecutive bits; bits is 2, 4 or 8. Adding 2^(b-1) to a
/// b-bit two's complement number flips its sign bit. Then neighbours are joined pairwise: fields of
/// b bits in 8, 2b in 16, 4b in 32.
uint64_t packEight(uint64_t codes, unsigned bits) {
  uint64_t x = (codes ^ (allBytes << (bits - 1))) & (allBytes * ((1u << bits) - 1));
  if (bits == 8)
    return x;
  x = (x | x >> (8 - bits)) & (0x0001000100010001ull * ((1u << 2 * bits) - 1));
  x = (x | x >> (16 - 2 * bits)) & (0x0000000100000001ull * ((1ull << 4 * bits) - 1));
  return (x | x >> (32 - 4 * bits)) & (bits == 4 ? 0xffffffffull : 0xffffull);
}

uint64_t unpackEight(uint64_t x, unsigned bits) {
  if (bits != 8) {
    x = (x | x << (32 - 4 * bits)) & (0x0000000100000001ull * ((1ull << 4 * bits) - 1));
    x = (x | x << (16 - 2 * bits)) & (0x0001000100010001ull * ((1u << 2 * bits) - 1));
    x = (x | x << (8 - bits)) & (allBytes * ((1u << bits) - 1));
  }
  // Flip the sign bit, then extend it: a set sign bit in a byte fills the bits above it.
  x ^= allBytes << (bits - 1);
  uint64_t sign = x & (allBytes << (bits - 1));
  return x | (sign << (8 - bits) >> 7) * (0xff & ~((1u << bits) - 1));
}

int8_t signedCode(uint64_t value, unsigned bits) {
  uint32_t mask = (1u << bits) - 1;
  return static_cast<int8_t>(static_cast<int32_t>(value & mask) - (int32_t(1) << (bits - 1)));
}

void packRow(const int8_t *codes, uint32_t *words, int64_t columns, unsigned bits) {
  uint64_t buffer = 0; // pending bits, the oldest lowest
  unsigned pending = 0;
  int64_t j = 0;
  auto flush = [&] {
    *words++ = static_cast<uint32_t>(buffer);
    buffer >>= 32;
    pending -= 32;
  };
  if (8 % bits == 0)
    for (; j + 8 <= columns; j += 8) {
      uint64_t packed = packEight(read64le(codes + j), bits);
      if (bits == 8) {
        *words++ = static_cast<uint32_t>(packed);
        *words++ = static_cast<uint32_t>(packed >> 32);
        continue;
      }
      buffer |= packed << pending;
      if ((pending += 8 * bits) == 32)
        flush();
    }
  for (; j < columns; ++j) {
    uint32_t value = (uint32_t(uint8_t(codes[j])) ^ (1u << (bits - 1))) & ((1u << bits) - 1);
    buffer |= uint64_t(value) << pending;
    if ((pending += bits) >= 32)
      flush();
  }
  if (pending > 0)
    *words = static_cast<uint32_t>(buffer);
}

void unpackRow(const uint32_t *words, int8_t *codes, int64_t columns, unsigned bits) {
  uint64_t buffer = 0;
  unsigned available = 0;
  int64_t j = 0;
  if (8 % bits == 0)
    for (; j + 8 <= columns; j += 8) {
      if (bits == 8) {
        buffer = words[0] | uint64_t(words[1]) << 32;
        words += 2;
        write64le(codes + j, unpackEight(buffer, bits));
        buffer = 0;
        continue;
      }
      if (available == 0) {
        buffer = *words++;
        available = 32;
      }
      uint64_t mask = (1ull << 8 * bits) - 1;
      write64le(codes + j, unpackEight(buffer & mask, bits));
      buffer >>= 8 * bits;
      available -= 8 * bits;
    }
  for (; j < columns; ++j) {
    if (available < bits) {
      buffer |= uint64_t(*words++) << available;
      available += 32;
    }
    codes[j] = signedCode(buffer, bits);
    buffer >>= bits;
    available -= bits;
  }
}

} // namespace

int64_t packedWords(int64_t columns, unsigned bits) { return (columns * bits + 31) / 32; }

std::vector<uint32_t> packCodes(llvm::ArrayRef<int8_t> codes, int64_t rows, int64_t columns,
                                unsigned bits) {
  int64_t width = packedWords(columns, bits);
  std::vector<uint32_t> words(rows * width);
  parallelFor(0, rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      packRow(codes.data() + i * columns, words.data() + i * width, columns, bits);
  });
  return words;
}

std::vector<int8_t> unpackCodes(llvm::ArrayRef<uint32_t> words, int64_t rows, int64_t columns,
                                unsigned bits) {
  int64_t width = packedWords(columns, bits);
  std::vector<int8_t> codes(rows * columns);
  parallelFor(0, rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      unpackRow(words.data() + i * width, codes.data() + i * columns, columns, bits);
  });
  return codes;
}

} // namespace ptq::numerics
