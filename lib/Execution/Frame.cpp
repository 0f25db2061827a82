// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Frame.h"

namespace ptq::execution {

const Tensor &Frame::written(ValueId id) {
  Slot &from = slot(id);
  if (!from.tensor.data) {
    int64_t bytes = from.tensor.numBytes();
    std::shared_ptr<char> zeros = pool.allocate(bytes);
    memset(zeros.get(), 0, bytes);
    from.tensor.data = zeros.get();
    from.tensor.owner = std::move(zeros);
  }
  return from.tensor;
}

void allocateTogether(llvm::ArrayRef<Frame *> frames, ValueId id, mlir::RankedTensorType type) {
  if (frames.size() > 1) {
    int64_t bytes = type.getNumElements() * *elementBytes(type.getElementType());
    std::shared_ptr<char> buffer = frames.front()->allocateTemporary(bytes * frames.size());
    for (auto [i, frame] : llvm::enumerate(frames))
      frame->setDestination(id, std::shared_ptr<char>(buffer, buffer.get() + i * bytes));
  }
  for (Frame *frame : frames)
    frame->allocate(id, type);
}

} // namespace ptq::execution
