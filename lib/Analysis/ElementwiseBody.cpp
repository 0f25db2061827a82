// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ElementwiseBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

/// The value before float casts.
static Value skipCasts(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

static Value yieldedValue(Block *body) {
  Operation *yield = body->getTerminator();
  return yield->getNumOperands() == 1 ? yield->getOperand(0) : Value();
}

bool ptq::yieldsCastOfArgument(Block *body, unsigned index) {
  Value value = yieldedValue(body);
  return value && skipCasts(value) == body->getArgument(index);
}

bool ptq::yieldsSumOfArguments(Block *body) {
  Value value = yieldedValue(body);
  auto add = value ? value.getDefiningOp<arith::AddFOp>() : arith::AddFOp();
  if (!add || body->getNumArguments() < 2)
    return false;
  Value a = body->getArgument(0), b = body->getArgument(1);
  return (add.getLhs() == a && add.getRhs() == b) || (add.getLhs() == b && add.getRhs() == a);
}

bool ptq::yieldsMultiplyAdd(Block *body) {
  Value value = yieldedValue(body);
  auto add = value ? value.getDefiningOp<arith::AddFOp>() : arith::AddFOp();
  if (!add || body->getNumArguments() != 3)
    return false;
  Value accumulator = body->getArgument(2);
  Value product = add.getLhs() == accumulator ? add.getRhs() : add.getLhs();
  if (add.getLhs() != accumulator && add.getRhs() != accumulator)
    return false;
  auto mul = skipCasts(product).getDefiningOp<arith::MulFOp>();
  if (!mul)
    return false;
  Value a = skipCasts(mul.getLhs()), b = skipCasts(mul.getRhs());
  return (a == body->getArgument(0) && b == body->getArgument(1)) ||
         (a == body->getArgument(1) && b == body->getArgument(0));
}
