// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Lanes.h"

bool ptq::emulator::hasWideVectors() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                          __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("f16c") &&
                          __builtin_cpu_supports("lzcnt");
  return has;
#else
  return false;
#endif
}
