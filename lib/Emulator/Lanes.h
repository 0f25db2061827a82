// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Handlers for instructions that do the same to every lane: an operation on scalars, made a loop
// over 32 lanes that the compiler vectorises, in a version for every x86-64 and one for AVX2,
// chosen at run time.
//
#ifndef PTQ_LIB_EMULATOR_LANES_H
#define PTQ_LIB_EMULATOR_LANES_H

#include "Warp.h"

#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#define PTQ_WIDE_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")))
#else
#define PTQ_WIDE_TARGET
#endif
#define PTQ_INLINE __attribute__((always_inline)) inline

namespace ptq::emulator {

/// Whether the processor has what PTQ_WIDE_TARGET asks for.
bool hasWideVectors();

/// IEEE binary16 and bfloat16 as their bits.
struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Half2 {
  uint32_t bits;
};
struct BFloat2 {
  uint32_t bits;
};

template <class T> using StorageOf = std::conditional_t<(sizeof(T) > 4), uint64_t, uint32_t>;

template <class T> PTQ_INLINE T fromStorage(StorageOf<T> raw) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(raw);
  } else if constexpr (sizeof(T) == 2) {
    return T{static_cast<uint16_t>(raw)};
  } else {
    T value;
    std::memcpy(&value, &raw, sizeof(T));
    return value;
  }
}
template <class T> PTQ_INLINE StorageOf<T> toStorage(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::make_unsigned_t<T>>(value);
  } else if constexpr (sizeof(T) == 2) {
    return value.bits;
  } else {
    StorageOf<T> raw;
    std::memcpy(&raw, &value, sizeof(T));
    return raw;
  }
}

template <class Op, class D, class... S> struct Lanes {
  template <size_t... I>
  static PTQ_INLINE void body(Warp &warp, const Instruction &instruction, uint32_t mask,
                              std::index_sequence<I...>) {
    auto *result = reinterpret_cast<StorageOf<D> *>(warp.slot(instruction.operands[0]));
    if (__builtin_expect(mask == allLanes, 1)) {
#pragma clang loop vectorize(assume_safety)
      for (unsigned lane = 0; lane < warpSize; ++lane)
        result[lane] = toStorage<D>(Op::apply(fromStorage<S>(
            reinterpret_cast<StorageOf<S> *>(warp.slot(instruction.operands[1 + I]))[lane])...));
    } else {
      StorageOf<D> fresh[warpSize];
#pragma clang loop vectorize(assume_safety)
      for (unsigned lane = 0; lane < warpSize; ++lane)
        fresh[lane] = toStorage<D>(Op::apply(fromStorage<S>(
            reinterpret_cast<StorageOf<S> *>(warp.slot(instruction.operands[1 + I]))[lane])...));
      for (unsigned lane = 0; lane < warpSize; ++lane)
        result[lane] = (mask >> lane) & 1 ? fresh[lane] : result[lane];
    }
    warp.flow<sizeof...(S)>(instruction, mask);
  }
  static void plain(Warp &warp, const Instruction &instruction, uint32_t mask) {
    body(warp, instruction, mask, std::index_sequence_for<S...>());
  }
  PTQ_WIDE_TARGET static void wide(Warp &warp, const Instruction &instruction, uint32_t mask) {
    body(warp, instruction, mask, std::index_sequence_for<S...>());
  }
};

/// result = Op::apply(sources…) in every lane.
template <class Op, class D, class... S> Handler lanes() {
  return hasWideVectors() ? Lanes<Op, D, S...>::wide : Lanes<Op, D, S...>::plain;
}

/// D = S = the integer type `type`.
template <class Op, unsigned Sources> struct Same {
  template <class T> static Handler get() {
    if constexpr (Sources == 1)
      return lanes<Op, T, T>();
    else if constexpr (Sources == 2)
      return lanes<Op, T, T, T>();
    else
      return lanes<Op, T, T, T, T>();
  }
};
template <class Op, unsigned Sources> Handler sameInteger(Type type) {
  using S = Same<Op, Sources>;
  switch (type) {
  case Type::U16:
  case Type::B16:
    return S::template get<uint16_t>();
  case Type::S16:
    return S::template get<int16_t>();
  case Type::U32:
  case Type::B32:
    return S::template get<uint32_t>();
  case Type::S32:
    return S::template get<int32_t>();
  case Type::U64:
  case Type::B64:
    return S::template get<uint64_t>();
  case Type::S64:
    return S::template get<int64_t>();
  default:
    return nullptr;
  }
}

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_LANES_H
