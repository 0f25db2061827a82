// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One table of what is known of each element type.
//
#include "ptq/Checkpoint/DType.h"

using namespace llvm;

namespace ptq::checkpoint {
namespace {

struct Properties {
  const char *spelling;
  unsigned width;
  bool isFloat;
};

/// In the order of the enumerators.
constexpr Properties properties[] = {
    {"BOOL", 1, false}, {"U8", 1, false},     {"I8", 1, false},     {"U16", 2, false},
    {"I16", 2, false},  {"U32", 4, false},    {"I32", 4, false},    {"U64", 8, false},
    {"I64", 8, false},  {"F16", 2, true},     {"BF16", 2, true},    {"F32", 4, true},
    {"F64", 8, true},   {"F8_E4M3", 1, true}, {"F8_E5M2", 1, true},
};
static_assert(std::size(properties) == static_cast<size_t>(DType::F8E5M2) + 1);

const Properties &of(DType dtype) { return properties[static_cast<size_t>(dtype)]; }

} // namespace

unsigned byteWidth(DType dtype) { return of(dtype).width; }

bool isFloat(DType dtype) { return of(dtype).isFloat; }

StringRef toString(DType dtype) { return of(dtype).spelling; }

std::optional<DType> parseDType(StringRef text) {
  for (size_t i = 0; i < std::size(properties); ++i)
    if (text == properties[i].spelling)
      return static_cast<DType>(i);
  return std::nullopt;
}

} // namespace ptq::checkpoint
