// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Emulator/TensorMap.h"
#include "EncodedTensorMap.h"

#include "llvm/ADT/Twine.h"

#include <cstring>

using namespace ptq::emulator;

unsigned ptq::emulator::elementBytes(TensorMap::Element element) {
  switch (element) {
  case TensorMap::Element::U8:
    return 1;
  case TensorMap::Element::U16:
  case TensorMap::Element::F16:
  case TensorMap::Element::BF16:
    return 2;
  case TensorMap::Element::U32:
  case TensorMap::Element::S32:
  case TensorMap::Element::F32:
    return 4;
  case TensorMap::Element::U64:
  case TensorMap::Element::S64:
  case TensorMap::Element::F64:
    return 8;
  }
  return 0;
}

llvm::Error ptq::emulator::checkTensorMap(const TensorMap &map) {
  auto fail = [](const llvm::Twine &message) {
    return llvm::createStringError("tensor map: " + message);
  };
  unsigned bytes = elementBytes(map.element);
  if (!bytes)
    return fail("the element type does not exist");
  if (map.rank < 1 || map.rank > 5)
    return fail("the rank " + llvm::Twine(map.rank) + " is not in 1…5");
  if (map.address % 16)
    return fail("the address is no multiple of 16");
  for (unsigned dim = 0; dim != map.rank; ++dim) {
    if (map.size[dim] == 0 || map.size[dim] > (uint64_t(1) << 32))
      return fail("the size of dimension " + llvm::Twine(dim) + " is not in 1…2^32");
    if (dim && (map.stride[dim - 1] % 16 || map.stride[dim - 1] >= (uint64_t(1) << 40)))
      return fail("the stride of dimension " + llvm::Twine(dim) +
                  " is no multiple of 16, or too large");
    if (map.box[dim] == 0 || map.box[dim] > 256)
      return fail("the box in dimension " + llvm::Twine(dim) + " is not in 1…256");
    if (map.step[dim] == 0 || map.step[dim] > 8)
      return fail("the step in dimension " + llvm::Twine(dim) + " is not in 1…8");
  }
  unsigned inner = map.box[0] * bytes;
  if (inner % 16)
    return fail("a row of the box has " + llvm::Twine(inner) + " bytes, no multiple of 16");
  if (map.swizzle > TensorMap::Swizzle::Bytes128 || map.promotion > TensorMap::Promotion::Bytes256)
    return fail("the swizzle or the promotion does not exist");
  unsigned span = 16u << static_cast<unsigned>(map.swizzle);
  if (map.swizzle != TensorMap::Swizzle::None && inner > span)
    return fail("a row of the box has " + llvm::Twine(inner) + " bytes, more than the swizzle's " +
                llvm::Twine(span));
  return llvm::Error::success();
}

namespace {
struct Encoded {
  uint64_t magic, address;
  uint64_t stride[4];
  uint32_t size[5]; // less 1
  uint16_t box[5];
  uint8_t step[5], element, rank, swizzle;
};
constexpr uint64_t magic = 0x50414d5441545150; // "PQTATMAP"
static_assert(sizeof(Encoded) <= 128, "a tensor map has 128 bytes");
} // namespace

std::vector<char> ptq::emulator::encode(const TensorMap &map) {
  Encoded encoded{};
  encoded.magic = magic;
  encoded.address = map.address;
  for (unsigned dim = 0; dim != 5; ++dim) {
    if (dim < 4)
      encoded.stride[dim] = map.stride[dim];
    encoded.size[dim] = static_cast<uint32_t>(map.size[dim] - 1);
    encoded.box[dim] = static_cast<uint16_t>(map.box[dim]);
    encoded.step[dim] = static_cast<uint8_t>(map.step[dim]);
  }
  encoded.element = static_cast<uint8_t>(map.element);
  encoded.rank = static_cast<uint8_t>(map.rank);
  encoded.swizzle = static_cast<uint8_t>(map.swizzle);
  std::vector<char> bytes(128);
  std::memcpy(bytes.data(), &encoded, sizeof(encoded));
  return bytes;
}

std::optional<TensorMap> ptq::emulator::decodeTensorMap(const uint8_t *bytes) {
  Encoded encoded;
  std::memcpy(&encoded, bytes, sizeof(encoded));
  if (encoded.magic != magic)
    return std::nullopt;
  TensorMap map;
  map.element = static_cast<TensorMap::Element>(encoded.element);
  map.rank = encoded.rank;
  map.address = encoded.address;
  for (unsigned dim = 0; dim != 5; ++dim) {
    if (dim < 4)
      map.stride[dim] = encoded.stride[dim];
    map.size[dim] = uint64_t(encoded.size[dim]) + 1;
    map.box[dim] = encoded.box[dim];
    map.step[dim] = encoded.step[dim];
  }
  map.swizzle = static_cast<TensorMap::Swizzle>(encoded.swizzle);
  if (llvm::Error error = checkTensorMap(map)) {
    llvm::consumeError(std::move(error));
    return std::nullopt;
  }
  return map;
}
