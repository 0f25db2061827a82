// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The emulator's own encoding of a tensor map in 128 bytes, marked so that others are told apart.
//
#ifndef PTQ_LIB_EMULATOR_ENCODEDTENSORMAP_H
#define PTQ_LIB_EMULATOR_ENCODEDTENSORMAP_H

#include "ptq/Emulator/TensorMap.h"

#include <optional>
#include <vector>

namespace ptq::emulator {

/// Of a map that checkTensorMap is content with.
std::vector<char> encode(const TensorMap &map);
/// Nothing if the 128 bytes are no tensor map.
std::optional<TensorMap> decodeTensorMap(const uint8_t *bytes);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_ENCODEDTENSORMAP_H
