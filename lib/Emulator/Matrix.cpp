// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mma.sync: D = A·B + C for m16n8k tiles held in the registers of a warp.
//
// Fragments. g = lane / 4, t = lane % 4, e = elements in a 32-bit register. Index i runs over a
// lane's elements, little-endian in its registers:
//   A(i): row g + 8·((i/e)&1), column e·t + i%e + 4e·(i/2e)
//   B(i): row e·t + i%e + 4e·(i/e), column g
//   C(i), D(i): row g + 8·(i>>1), column 2t + (i&1)
// Of the shapes with half the depth (m16n8k8 of 16-bit, m16n8k16 of 8-bit, m16n8k32 of 4-bit types)
// the same holds with half the registers.
//
// Integers are exact: sums wrap modulo 2^32, or are clamped under .satfinite, once, at the end.
// Floats: PTX leaves order and rounding open. Here products are exact, K is cut into groups of
// eight, and acc = f32(acc + the group's sum), the sum and the addition in double, from k = 0 up;
// an f16 result is rounded once more at the end.

#include "Bindings.h"
#include "SoftFloat.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace ptq::emulator;

namespace {
enum : uint32_t { saturateBit = 1, signedABit = 2, signedBBit = 4, halfCBit = 8, halfDBit = 16 };
} // namespace

/// Element i of a lane's fragment A lies at (row, column); of B at (k, g).
static unsigned rowOfA(unsigned i, unsigned e, unsigned lane) {
  return (lane >> 2) + 8 * ((i / e) & 1);
}
static unsigned columnOfA(unsigned i, unsigned e, unsigned lane) {
  return e * (lane & 3) + i % e + 4 * e * (i / (2 * e));
}
static unsigned rowOfB(unsigned i, unsigned e, unsigned lane) {
  return e * (lane & 3) + i % e + 4 * e * (i / e);
}

/// Undefined lanes of A make rows of D undefined, of B columns, of C single elements.
static void flowThrough(Warp &warp, const Instruction &instruction, unsigned numD, unsigned numA,
                        unsigned numB, unsigned numC) {
  const uint32_t *ops = instruction.operands;
  uint32_t any = 0;
  for (unsigned index = numD; index != numD + numA + numB + numC; ++index)
    any |= warp.undefinedLanes(ops[index]);
  uint32_t badOfD[8] = {};
  int source = -1;
  if (any) {
    // A quad of lanes shares the rows g and g + 8.
    auto quads = [](uint32_t lanes) {
      lanes |= lanes >> 1;
      lanes |= lanes >> 2;
      return (lanes & 0x11111111) * 15;
    };
    uint32_t rows[2] = {0, 0}, columns = 0; // columns: bit of column g
    for (unsigned index = 0; index != numA; ++index) {
      uint32_t lanes = warp.undefinedLanes(ops[numD + index]);
      rows[index & 1] |= quads(lanes);
      if (lanes && source < 0)
        source = numD + index;
    }
    for (unsigned index = 0; index != numB; ++index) {
      uint32_t lanes = warp.undefinedLanes(ops[numD + numA + index]);
      for (unsigned lane = 0; lane != warpSize; ++lane)
        columns |= ((lanes >> lane) & 1) << (lane >> 2);
      if (lanes && source < 0)
        source = numD + numA + index;
    }
    for (unsigned index = 0; index != numD; ++index) {
      unsigned perRegister = 4 / numD; // f16 results: two columns a register
      uint32_t lanes = rows[index * perRegister >> 1];
      for (unsigned lane = 0; lane != warpSize; ++lane)
        for (unsigned part = 0; part != perRegister; ++part) {
          unsigned column = 2 * (lane & 3) + ((index * perRegister + part) & 1);
          lanes |= ((columns >> column) & 1) << lane;
        }
      for (unsigned from = 0; from != numC; ++from)
        if (from * numD / numC == index || numD * from / numC == index) {
          uint32_t bad = warp.undefinedLanes(ops[numD + numA + numB + from]);
          lanes |= bad;
          if (bad && source < 0)
            source = numD + numA + numB + from;
        }
      badOfD[index] = lanes;
    }
    if (numC > numD) // two registers of C for one of D
      for (unsigned from = 0; from != numC; ++from)
        badOfD[from / (numC / numD)] |= warp.undefinedLanes(ops[numD + numA + numB + from]);
  }
  for (unsigned index = 0; index != numD; ++index) {
    warp.define(ops[index], allLanes);
    if (badOfD[index])
      warp.taint(ops[index], badOfD[index], instruction, source);
  }
}

/// The bytes of A by rows and of B by columns, widened to 16 bits.
template <unsigned Bits, unsigned K> struct IntegerMma {
  static constexpr unsigned e = 32 / Bits, numA = K / e / 2, numB = K / e / 4;

  /// The elements of a register as consecutive bytes; nibbles with their sign if they have one.
  static PTQ_INLINE void unpack(int8_t *to, uint32_t word, bool isSigned) {
    if constexpr (Bits == 8) {
      std::memcpy(to, &word, 4);
    } else {
      for (unsigned index = 0; index != 8; ++index) {
        int nibble = (word >> (4 * index)) & 15;
        to[index] = static_cast<int8_t>(isSigned ? (nibble ^ 8) - 8 : nibble);
      }
    }
  }
  static PTQ_INLINE void widen(int16_t *to, const int8_t *from, unsigned count, bool isSigned) {
    if (isSigned || Bits == 4)
      for (unsigned index = 0; index != count; ++index)
        to[index] = from[index];
    else
      for (unsigned index = 0; index != count; ++index)
        to[index] = static_cast<uint8_t>(from[index]);
  }

  static PTQ_INLINE void gather(Warp &warp, const Instruction &instruction, int16_t (&a)[16][K],
                                int32_t (&pairsB)[K / 2][8]) {
    const uint32_t *ops = instruction.operands;
    alignas(64) int8_t bytesA[16][K], bytesB[8][K];
    alignas(64) int16_t b[8][K];
    bool signedA = instruction.option & signedABit, signedB = instruction.option & signedBBit;
    for (unsigned reg = 0; reg != numA; ++reg) {
      const uint32_t *words = warp.slot(ops[4 + reg]);
      for (unsigned lane = 0; lane != warpSize; ++lane)
        unpack(&bytesA[rowOfA(reg * e, e, lane)][columnOfA(reg * e, e, lane)], words[lane],
               signedA);
    }
    for (unsigned reg = 0; reg != numB; ++reg) {
      const uint32_t *words = warp.slot(ops[4 + numA + reg]);
      for (unsigned lane = 0; lane != warpSize; ++lane)
        unpack(&bytesB[lane >> 2][rowOfB(reg * e, e, lane)], words[lane], signedB);
    }
    widen(a[0], bytesA[0], 16 * K, signedA);
    widen(b[0], bytesB[0], 8 * K, signedB);
    // Pairs of k, then columns: what one multiplication and addition of pairs takes.
    for (unsigned column = 0; column != 8; ++column)
      for (unsigned pair = 0; pair != K / 2; ++pair)
        std::memcpy(&pairsB[pair][column], &b[column][2 * pair], 4);
  }
  static void multiply(const int16_t (&a)[16][K], const int32_t (&pairsB)[K / 2][8],
                       int32_t (&sums)[16][8]) {
    for (unsigned row = 0; row != 16; ++row) {
      int32_t acc[8] = {};
      for (unsigned pair = 0; pair != K / 2; ++pair) {
        int32_t low = a[row][2 * pair], high = a[row][2 * pair + 1];
        for (unsigned column = 0; column != 8; ++column) {
          int32_t both = pairsB[pair][column];
          acc[column] += low * static_cast<int16_t>(both) + high * (both >> 16);
        }
      }
      std::memcpy(sums[row], acc, sizeof(acc));
    }
  }

#if defined(__x86_64__)
  /// The same sums with the processor's multiplication and addition of pairs.
  PTQ_WIDE_TARGET static void multiplyWide(const int16_t (&a)[16][K],
                                           const int32_t (&pairsB)[K / 2][8],
                                           int32_t (&sums)[16][8]) {
    for (unsigned row = 0; row != 16; ++row) {
      __m256i acc = _mm256_setzero_si256();
      for (unsigned pair = 0; pair != K / 2; ++pair) {
        int32_t both;
        std::memcpy(&both, &a[row][2 * pair], 4);
        __m256i columns = _mm256_load_si256(reinterpret_cast<const __m256i *>(pairsB[pair]));
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_set1_epi32(both), columns));
      }
      _mm256_store_si256(reinterpret_cast<__m256i *>(sums[row]), acc);
    }
  }
#endif

  static PTQ_INLINE void store(Warp &warp, const Instruction &instruction, int32_t (&sums)[16][8]) {
    const uint32_t *ops = instruction.operands;
    for (unsigned reg = 0; reg != 4; ++reg) {
      const uint32_t *c = warp.slot(ops[4 + numA + numB + reg]);
      uint32_t *d = warp.slot(ops[reg]);
      for (unsigned lane = 0; lane != warpSize; ++lane) {
        int32_t sum = sums[(lane >> 2) + 8 * (reg >> 1)][2 * (lane & 3) + (reg & 1)];
        if (instruction.option & saturateBit) {
          int64_t exact = int64_t(static_cast<int32_t>(c[lane])) + sum;
          d[lane] = static_cast<uint32_t>(std::clamp<int64_t>(
              exact, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
        } else {
          d[lane] = c[lane] + static_cast<uint32_t>(sum);
        }
      }
    }
  }
  static void finish(Warp &warp, const Instruction &instruction) {
    flowThrough(warp, instruction, 4, numA, numB, 4);
  }
  static void plain(Warp &warp, const Instruction &instruction, uint32_t mask) {
    if (!checkAligned(warp, instruction, mask))
      return;
    alignas(64) int16_t a[16][K];
    alignas(64) int32_t pairsB[K / 2][8], sums[16][8];
    gather(warp, instruction, a, pairsB);
    multiply(a, pairsB, sums);
    store(warp, instruction, sums);
    finish(warp, instruction);
  }
#if defined(__x86_64__)
  PTQ_WIDE_TARGET static void wide(Warp &warp, const Instruction &instruction, uint32_t mask) {
    if (!checkAligned(warp, instruction, mask))
      return;
    alignas(64) int16_t a[16][K];
    alignas(64) int32_t pairsB[K / 2][8], sums[16][8];
    gather(warp, instruction, a, pairsB);
    multiplyWide(a, pairsB, sums);
    store(warp, instruction, sums);
    finish(warp, instruction);
  }
  static Handler get() { return hasWideVectors() ? wide : plain; }
#else
  static Handler get() { return plain; }
#endif
};

/// T: Half or BFloat.
template <class T, unsigned K>
static void floatMma(Warp &warp, const Instruction &instruction, uint32_t mask) {
  constexpr unsigned e = 2, numA = K / 4, numB = K / 8;
  const uint32_t *ops = instruction.operands;
  bool halfC = instruction.option & halfCBit, halfD = instruction.option & halfDBit;
  unsigned numC = halfC ? 2 : 4, numD = halfD ? 2 : 4;
  if (!checkAligned(warp, instruction, mask))
    return;
  float a[16][K], b[8][K];
  for (unsigned reg = 0; reg != numA; ++reg)
    for (unsigned lane = 0; lane != warpSize; ++lane)
      for (unsigned index = 0; index != e; ++index)
        a[rowOfA(reg * e, e, lane)][columnOfA(reg * e, e, lane) + index] =
            toFloat(T{static_cast<uint16_t>(warp.slot(ops[numD + reg])[lane] >> (16 * index))});
  for (unsigned reg = 0; reg != numB; ++reg)
    for (unsigned lane = 0; lane != warpSize; ++lane)
      for (unsigned index = 0; index != e; ++index)
        b[lane >> 2][rowOfB(reg * e, e, lane) + index] = toFloat(
            T{static_cast<uint16_t>(warp.slot(ops[numD + numA + reg])[lane] >> (16 * index))});
  uint32_t results[4][warpSize];
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != 4; ++i) {
      unsigned row = (lane >> 2) + 8 * (i >> 1), column = 2 * (lane & 3) + (i & 1);
      uint32_t raw = warp.slot(ops[numD + numA + numB + (halfC ? i / 2 : i)])[lane];
      float acc =
          halfC ? toFloat(Half{static_cast<uint16_t>(raw >> (16 * (i & 1)))}) : floatFromBits(raw);
      for (unsigned group = 0; group != K; group += 8) {
        double sum = 0;
        for (unsigned k = group; k != group + 8; ++k)
          sum += static_cast<double>(a[row][k]) * b[column][k];
        acc = static_cast<float>(acc + sum);
      }
      results[i][lane] = halfD ? toHalf(acc).bits : static_cast<uint32_t>(bitsOf(canonical(acc)));
    }
  for (unsigned reg = 0; reg != numD; ++reg)
    for (unsigned lane = 0; lane != warpSize; ++lane)
      warp.slot(ops[reg])[lane] =
          halfD ? results[2 * reg][lane] | results[2 * reg + 1][lane] << 16 : results[reg][lane];
  flowThrough(warp, instruction, numD, numA, numB, numC);
}

static void bindInteger(Match &match) {
  uint32_t option = match.has(".satfinite") ? saturateBit : 0;
  if (isSigned(match.type(1)))
    option |= signedABit;
  if (isSigned(match.type(2)))
    option |= signedBBit;
  match.instruction->option = option;
  bool four = typeBits(match.type(1)) == 4;
  match.set(match.has(".m16n8k64")   ? IntegerMma<4, 64>::get()
            : match.has(".m16n8k16") ? IntegerMma<8, 16>::get()
            : four                   ? IntegerMma<4, 32>::get()
                                     : IntegerMma<8, 32>::get());
}
static void bindFloat(Match &match) {
  match.instruction->option =
      (match.type(3) == Type::F16 ? halfCBit : 0u) | (match.type(0) == Type::F16 ? halfDBit : 0u);
  bool deep = match.has(".m16n8k16");
  if (match.type(1) == Type::BF16)
    match.set(deep ? floatMma<BFloat, 16> : floatMma<BFloat, 8>);
  else
    match.set(deep ? floatMma<Half, 16> : floatMma<Half, 8>);
}

#define MMA "Matrix: mma"
llvm::ArrayRef<Form> ptq::emulator::matrixForms() {
  static const Form forms[] = {
      {"mma .sync .aligned .m16n8k16 .row .col ?.satfinite .s32 .s8|.u8 .s8|.u8 .s32",
       "=v4:s32 v2:b32 v1:b32 v4:s32", MMA, bindInteger},
      {"mma .sync .aligned .m16n8k32 .row .col ?.satfinite .s32 .s8|.u8 .s8|.u8 .s32",
       "=v4:s32 v4:b32 v2:b32 v4:s32", MMA, bindInteger},
      {"mma .sync .aligned .m16n8k32 .row .col ?.satfinite .s32 .s4|.u4 .s4|.u4 .s32",
       "=v4:s32 v2:b32 v1:b32 v4:s32", MMA, bindInteger},
      {"mma .sync .aligned .m16n8k64 .row .col ?.satfinite .s32 .s4|.u4 .s4|.u4 .s32",
       "=v4:s32 v4:b32 v2:b32 v4:s32", MMA, bindInteger},
      {"mma .sync .aligned .m16n8k8 .row .col .f32 .f16 .f16 .f32", "=v4:f32 v2:b32 v1:b32 v4:f32",
       MMA, bindFloat},
      {"mma .sync .aligned .m16n8k8 .row .col .f32 .bf16 .bf16 .f32",
       "=v4:f32 v2:b32 v1:b32 v4:f32", MMA, bindFloat},
      {"mma .sync .aligned .m16n8k8 .row .col .f16 .f16 .f16 .f16", "=v2:b32 v2:b32 v1:b32 v2:b32",
       MMA, bindFloat},
      {"mma .sync .aligned .m16n8k16 .row .col .f32 .f16 .f16 .f32", "=v4:f32 v4:b32 v2:b32 v4:f32",
       MMA, bindFloat},
      {"mma .sync .aligned .m16n8k16 .row .col .f32 .bf16 .bf16 .f32",
       "=v4:f32 v4:b32 v2:b32 v4:f32", MMA, bindFloat},
      {"mma .sync .aligned .m16n8k16 .row .col .f16 .f16 .f16 .f16", "=v2:b32 v4:b32 v2:b32 v2:b32",
       MMA, bindFloat},
  };
  return forms;
}
