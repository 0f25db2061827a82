// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Memory.h"

#include "llvm/ADT/STLExtras.h"

using namespace ptq::emulator;

/// cudaMalloc promises 256 bytes; more is not given.
static constexpr uint64_t bufferAlignment = 256;

Buffer *GlobalMemory::allocate(uint64_t size, bool zeroed) {
  auto buffer = std::make_unique<Buffer>();
  buffer->size = size;
  // Zeroed pages cost nothing until they are touched. A word more: shadow cells and copies are of
  // words.
  buffer->data.reset(static_cast<uint8_t *>(std::calloc(size + 16, 1)));
  if (!buffer->data)
    return nullptr;
  if (!zeroed) {
    buffer->state.reset(static_cast<uint8_t *>(std::calloc(size + 16, 1)));
    if (!buffer->state)
      return nullptr;
  }
  uint64_t count = (size + bufferAlignment + (uint64_t(1) << 32)) >> 32;
  buffer->base = (uint64_t(windows.size()) << 32) + bufferAlignment;
  windows.insert(windows.end(), count, buffer.get());
  // An access before its begin lands in the window below, which may be another buffer's far end:
  // none is that long.
  buffers.push_back(std::move(buffer));
  return buffers.back().get();
}

bool GlobalMemory::release(uint64_t base) {
  auto found = llvm::find_if(buffers, [&](const auto &buffer) { return buffer->base == base; });
  if (found == buffers.end())
    return false;
  for (Buffer *&window : windows)
    if (window == found->get())
      window = nullptr;
  buffers.erase(found);
  return true;
}

void GlobalMemory::resetShadows() {
  for (auto &buffer : buffers)
    buffer->cells.reset();
}

void GlobalMemory::makeShadows() {
  for (auto &buffer : buffers)
    if (!buffer->readOnly && !buffer->cells)
      buffer->cells.reset(
          static_cast<ShadowCell *>(std::calloc(buffer->size / 4 + 2, sizeof(ShadowCell))));
}
