// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The values of one sample while a function runs.
//
#ifndef PTQ_LIB_EXECUTION_FRAME_H
#define PTQ_LIB_EXECUTION_FRAME_H

#include "BufferPool.h"
#include "ptq/Execution/Tensor.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinAttributes.h"

#include <vector>

namespace ptq::execution {

using ValueId = unsigned;

/// What a value is at run time: a tensor (its data null if nobody ever wrote it), or a scalar.
struct Slot {
  Tensor tensor;
  mlir::Attribute scalar;
  /// Where the tensor is to be written, if that is decided in advance.
  std::shared_ptr<char> destination;
};

/// The values that do not depend on the sample are in one table for all frames.
class Frame {
public:
  Frame(size_t values, const std::vector<char> &invariant, std::vector<Slot> &shared,
        BufferPool &pool)
      : local(values), invariant(invariant), shared(shared), pool(pool) {}

  const Tensor &tensor(ValueId id) { return slot(id).tensor; }
  void setTensor(ValueId id, Tensor tensor) { slot(id).tensor = std::move(tensor); }

  mlir::Attribute scalar(ValueId id) { return slot(id).scalar; }
  void setScalar(ValueId id, mlir::Attribute value) { slot(id).scalar = value; }

  /// Memory for value `id`, which becomes it.
  char *allocate(ValueId id, mlir::RankedTensorType type) {
    Slot &to = slot(id);
    std::shared_ptr<char> memory = std::move(to.destination);
    to.destination = nullptr;
    if (!memory)
      memory = pool.allocate(type.getNumElements() * *elementBytes(type.getElementType()));
    char *data = memory.get();
    to.tensor = {type, data, std::move(memory)};
    return data;
  }

  /// The value's tensor with data: zeros where nobody wrote any.
  const Tensor &written(ValueId id);

  void setDestination(ValueId id, std::shared_ptr<char> memory) {
    slot(id).destination = std::move(memory);
  }
  void release(ValueId id) { slot(id) = Slot(); }

  std::shared_ptr<char> allocateTemporary(int64_t bytes) { return pool.allocate(bytes); }

private:
  Slot &slot(ValueId id) { return invariant[id] ? shared[id] : local[id]; }

  std::vector<Slot> local;
  const std::vector<char> &invariant;
  std::vector<Slot> &shared;
  BufferPool &pool;
};

/// One buffer for value `id` of all `frames`, sample after sample.
void allocateTogether(llvm::ArrayRef<Frame *> frames, ValueId id, mlir::RankedTensorType type);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_FRAME_H
