// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/Heads.h"

#include "ptq/Analysis/ElementwiseBody.h"
#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

/// Operations that move or convert elements, or add a bias to `value`, and compute nothing else.
static bool isTransparent(Operation *op, Value value) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp,
          tensor::ExtractSliceOp, linalg::TransposeOp, linalg::CopyOp, arith::TruncFOp,
          arith::ExtFOp>(op))
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumReductionLoops() != 0 || generic->getNumResults() != 1)
    return false;
  if (generic.getNumDpsInputs() == 1)
    return ptq::yieldsCastOfArgument(generic.getBlock(), 0);
  if (generic.getNumDpsInputs() != 2 || !ptq::yieldsSumOfArguments(generic.getBlock()))
    return false;
  Value addend = generic.getDpsInputs()[generic.getDpsInputs()[0] == value ? 1 : 0];
  return ptq::isStoredValue(ptq::traceToRoot(addend).root);
}

bool ptq::isReturnedAsIs(Value value) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (user->hasTrait<OpTrait::ReturnLike>())
      return true;
    return isTransparent(user, value) && isReturnedAsIs(user->getResult(0));
  });
}
