// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values of a host function: numbers, and views of buffers in a device's memory.
//
#ifndef PTQ_LIB_DEVICEEXECUTION_HOSTVALUE_H
#define PTQ_LIB_DEVICEEXECUTION_HOSTVALUE_H

#include "mlir/IR/Attributes.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <variant>

namespace ptq::execution {

/// Memory of the device, freed with its last view.
struct DeviceBuffer {
  uint64_t address = 0;
  std::shared_ptr<void> memory;
};

/// A memref: as upstream's descriptor. Offset, sizes and strides are in elements.
struct BufferView {
  DeviceBuffer buffer;
  int64_t offset = 0;
  llvm::SmallVector<int64_t, 4> sizes, strides;

  int64_t numElements() const {
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    return count;
  }
};

/// A number is an attribute, so that MLIR's folders compute with it.
using HostValue = std::variant<std::monostate, mlir::Attribute, BufferView>;

/// Row-major strides.
inline llvm::SmallVector<int64_t, 4> identityStrides(llvm::ArrayRef<int64_t> sizes) {
  llvm::SmallVector<int64_t, 4> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

} // namespace ptq::execution

#endif // PTQ_LIB_DEVICEEXECUTION_HOSTVALUE_H
