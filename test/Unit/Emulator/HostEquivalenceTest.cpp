// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The same functions, compiled by nvcc and run in the emulator, and compiled for the host: bit for
// bit the same over random and corner inputs (any NaN equals any NaN).

#include "Run.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace ptq::emulator;

namespace {
template <class T> std::vector<T> corners() {
  using L = std::numeric_limits<T>;
  std::vector<T> values = {T(0),  T(1),  T(2),  T(7),     T(31),
                           T(32), T(33), T(64), L::max(), L::lowest()};
  if constexpr (std::is_integral_v<T>) {
    values.insert(values.end(), {T(-1), T(-2), T(L::max() - 1), T(L::max() / 2 + 1), T(0x5555)});
  } else {
    for (T value : {T(0.5), T(1.5), T(2.5), T(255.5), L::min(), L::denorm_min(), L::epsilon(),
                    L::infinity(), L::quiet_NaN(), T(16777217), T(2147483648.0), T(1e-40), T(3e38)})
      values.insert(values.end(), {value, -value});
    values.push_back(-T(0));
  }
  return values;
}

template <class T> std::vector<T> inputs(size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<T> special = corners<T>(), values(count);
  for (T &value : values) {
    unsigned kind = random() % 4;
    if (kind == 0) {
      value = special[random() % special.size()];
    } else if (kind == 1 && std::is_floating_point_v<T>) {
      value = static_cast<T>(static_cast<int64_t>(random() % 2000) - 1000) / 8;
    } else {
      uint64_t bits = random();
      if (kind == 2)
        bits >>= random() % 64;
      std::memcpy(&value, &bits, sizeof(T));
    }
  }
  return values;
}

template <class R> bool same(R a, R b) {
  if constexpr (std::is_floating_point_v<R>)
    if (std::isnan(a) && std::isnan(b))
      return true;
  return std::memcmp(&a, &b, sizeof(R)) == 0;
}

Session &session() {
  static Session loaded(compileInput("scalar"));
  return loaded;
}

template <class T, class R> void compare(const char *name, R (*function)(T, T, T)) {
  const int count = 4000;
  auto a = inputs<T>(count, 1), b = inputs<T>(count, 2), c = inputs<T>(count, 3);
  Session &s = session();
  uint64_t result = s.undefined(count * sizeof(R));
  auto launched = s.launch(name, {(count + 255) / 256}, {256},
                           {argument(s.buffer(a)), argument(s.buffer(b)), argument(s.buffer(c)),
                            argument(result), argument(count)});
  expectClean(launched);
  auto got = s.read<R>(result, count);
  unsigned wrong = 0;
  for (int i = 0; i != count && wrong < 5; ++i) {
    R expected = function(a[i], b[i], c[i]);
    if (!same(got[i], expected)) {
      ++wrong;
      ADD_FAILURE() << name << "(" << +a[i] << ", " << +b[i] << ", " << +c[i] << ") = " << +got[i]
                    << ", on the host " << +expected;
    }
  }
}
} // namespace

#define FUNCTION(name, T, R, expression)                                                           \
  static R host_##name(T a, T b, T c) {                                                            \
    (void)b;                                                                                       \
    (void)c;                                                                                       \
    return expression;                                                                             \
  }                                                                                                \
  TEST(HostEquivalence, name) { compare<T, R>(#name, host_##name); }
#include "Inputs/scalar.inc"
