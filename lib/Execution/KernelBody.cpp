// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelBody.h"
#include "KernelEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class BodyRewriter {
public:
  BodyRewriter(OpBuilder &builder, Value failure) : builder(builder), failure(failure) {}

  LogicalResult rewrite(Operation *op);

private:
  void fail(Value failed, Operation *op);
  void rewriteAssert(cf::AssertOp op);
  LogicalResult rewriteExtract(tensor::ExtractOp op);
  void rewritePower(math::FPowIOp op);
  void guardDivision(Operation *op, bool isSigned);

  OpBuilder &builder;
  Value failure;
};
} // namespace

/// Where `failed` holds, stores the number of the check of `op`, unless an earlier check has
/// failed.
void BodyRewriter::fail(Value failed, Operation *op) {
  Location loc = op->getLoc();
  auto number = op->getAttrOfType<IntegerAttr>(checkAttribute);
  scf::IfOp::create(builder, loc, failed, [&](OpBuilder &then, Location loc) {
    Value before = LLVM::LoadOp::create(then, loc, then.getI32Type(), failure);
    Value none = arith::ConstantIntOp::create(then, loc, 0, 32);
    Value first = arith::CmpIOp::create(then, loc, arith::CmpIPredicate::eq, before, none);
    Value code = arith::ConstantIntOp::create(then, loc, number ? number.getInt() : 1, 32);
    code = arith::SelectOp::create(then, loc, first, code, before);
    LLVM::StoreOp::create(then, loc, code, failure);
    scf::YieldOp::create(then, loc);
  });
}

static Value invert(OpBuilder &builder, Location loc, Value condition) {
  Value yes = arith::ConstantIntOp::create(builder, loc, 1, 1);
  return arith::XOrIOp::create(builder, loc, condition, yes);
}

void BodyRewriter::rewriteAssert(cf::AssertOp op) {
  fail(invert(builder, op.getLoc(), op.getArg()), op);
  op.erase();
}

LogicalResult BodyRewriter::rewriteExtract(tensor::ExtractOp op) {
  auto cast = op.getTensor().getDefiningOp<UnrealizedConversionCastOp>();
  if (!cast)
    return op.emitError("reads a tensor that is computed inside a body");
  Location loc = op.getLoc();
  Value memref = cast.getOperand(0);
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  SmallVector<Value> indices;
  Value outside;
  for (auto [dim, index] : llvm::enumerate(op.getIndices())) {
    Value size = memref::DimOp::create(builder, loc, memref, dim);
    Value out = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, index, size);
    outside = outside ? arith::OrIOp::create(builder, loc, outside, out).getResult() : out;
    Value last = arith::SubIOp::create(builder, loc, size, one);
    Value low = arith::MaxSIOp::create(builder, loc, index, zero);
    indices.push_back(arith::MinSIOp::create(builder, loc, low, last));
  }
  if (outside)
    fail(outside, op);
  Value value = memref::LoadOp::create(builder, loc, memref, indices);
  op.replaceAllUsesWith(value);
  op.erase();
  return success();
}

/// x^n by repeated squaring for a constant n of at most 6 bits; any other power goes through powf,
/// which is exact in its exponent up to 2^24.
void BodyRewriter::rewritePower(math::FPowIOp op) {
  Location loc = op.getLoc();
  Value base = op.getLhs(), result;
  APInt exponent;
  if (matchPattern(op.getRhs(), m_ConstantInt(&exponent)) && exponent.abs().ult(64)) {
    uint64_t n = exponent.abs().getZExtValue();
    for (Value square = base; n; n >>= 1) {
      if (n & 1)
        result = result ? arith::MulFOp::create(builder, loc, result, square).getResult() : square;
      if (n > 1)
        square = arith::MulFOp::create(builder, loc, square, square);
    }
    Value one = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(base.getType(), 1.0));
    if (!result)
      result = one;
    if (exponent.isNegative())
      result = arith::DivFOp::create(builder, loc, one, result);
  } else {
    Value power = arith::SIToFPOp::create(builder, loc, base.getType(), op.getRhs());
    result = math::PowFOp::create(builder, loc, base, power);
  }
  op.replaceAllUsesWith(result);
  op.erase();
}

/// Integer division by zero, and of the least value by -1, would end the process.
void BodyRewriter::guardDivision(Operation *op, bool isSigned) {
  Location loc = op->getLoc();
  Value divisor = op->getOperand(1);
  APInt constant;
  if (matchPattern(divisor, m_ConstantInt(&constant)) && !constant.isZero() &&
      !(isSigned && constant.isAllOnes()))
    return;
  Type type = divisor.getType();
  auto make = [&](int64_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, value)).getResult();
  };
  Value bad = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, divisor, make(0));
  if (isSigned) {
    unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    Value least = arith::ConstantOp::create(
        builder, loc, builder.getIntegerAttr(type, APInt::getSignedMinValue(width)));
    Value overflows = arith::AndIOp::create(
        builder, loc,
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, op->getOperand(0), least),
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, divisor, make(-1)));
    bad = arith::OrIOp::create(builder, loc, bad, overflows);
  }
  fail(bad, op);
  op->setOperand(1, arith::SelectOp::create(builder, loc, bad, make(1), divisor));
}

LogicalResult BodyRewriter::rewrite(Operation *op) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  if (auto assertion = dyn_cast<cf::AssertOp>(op))
    rewriteAssert(assertion);
  else if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return rewriteExtract(extract);
  else if (auto power = dyn_cast<math::FPowIOp>(op))
    rewritePower(power);
  else if (isa<arith::DivSIOp, arith::RemSIOp, arith::FloorDivSIOp, arith::CeilDivSIOp>(op))
    guardDivision(op, /*isSigned=*/true);
  else if (isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op))
    guardDivision(op, /*isSigned=*/false);
  else if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    auto cast = dim.getSource().getDefiningOp<UnrealizedConversionCastOp>();
    if (!cast)
      return op->emitError("reads the size of a tensor that is computed inside a body");
    Value size = memref::DimOp::create(builder, op->getLoc(), cast.getOperand(0), dim.getIndex());
    op->replaceAllUsesWith(ValueRange{size});
    op->erase();
  } else if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>) &&
             !isa<UnrealizedConversionCastOp>(op)) {
    return op->emitError("uses a tensor inside a body; only tensor.extract and tensor.dim can");
  }
  return success();
}

/// An elementwise operation on tensors, on scalars.
static Value cloneOnScalars(OpBuilder &builder, Operation *op, ArrayRef<Value> scalars) {
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(scalars);
  state.addTypes(getElementTypeOrSelf(op->getResult(0).getType()));
  for (NamedAttribute attribute : op->getAttrs()) {
    auto value = dyn_cast<ElementsAttr>(attribute.getValue());
    state.addAttribute(attribute.getName(), value && value.isSplat()
                                                ? value.getSplatValue<Attribute>()
                                                : attribute.getValue());
  }
  return builder.create(state)->getResult(0);
}

FailureOr<SmallVector<Value>> inlineBody(OpBuilder &builder, const LoopOp &loops,
                                         ArrayRef<Value> scalars,
                                         ArrayRef<Value> inductionVariables, const IRMapping &outer,
                                         Value failure, llvm::function_ref<Value(Value)> memrefOf) {
  BodyRewriter rewriter(builder, failure);
  SmallVector<Operation *> cloned;
  SmallVector<Value> results;
  if (!loops.body) {
    Value result = cloneOnScalars(builder, loops.op, scalars.take_front(loops.inputs.size()));
    cloned.push_back(result.getDefiningOp());
    results.push_back(result);
  } else {
    IRMapping mapping = outer;
    for (auto [argument, scalar] : llvm::zip(loops.body->getArguments(), scalars))
      if (scalar)
        mapping.map(argument, scalar);
    for (Operation &op : loops.body->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(op)) {
        mapping.map(index.getResult(), inductionVariables[index.getDim()]);
        continue;
      }
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (isa<RankedTensorType>(operand.getType()) && !mapping.contains(operand))
            if (Value memref = memrefOf(operand))
              mapping.map(operand, UnrealizedConversionCastOp::create(builder, op.getLoc(),
                                                                      operand.getType(), memref)
                                       .getResult(0));
      });
      cloned.push_back(builder.clone(op, mapping));
    }
    for (Value value : loops.body->getTerminator()->getOperands())
      results.push_back(mapping.lookupOrDefault(value));
  }
  // The results are kept up to date through a user of theirs.
  OperationState holder(loops.op->getLoc(), UnrealizedConversionCastOp::getOperationName());
  holder.addOperands(results);
  for (Value result : results)
    holder.addTypes(result.getType());
  Operation *held = builder.create(holder);
  for (Operation *op : cloned) {
    SmallVector<Operation *> nested;
    op->walk([&](Operation *inner) { nested.push_back(inner); });
    for (Operation *inner : nested)
      if (failed(rewriter.rewrite(inner))) {
        held->erase();
        return mlir::failure();
      }
  }
  results.assign(held->operand_begin(), held->operand_end());
  held->erase();
  return results;
}

void relaxReduction(Value value, Value accumulator) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<arith::AddFOp, arith::MulFOp>(op) ||
      !(value.getType().isF32() || value.getType().isF64()) ||
      !llvm::is_contained(op->getOperands(), accumulator))
    return;
  auto flags = cast<arith::ArithFastMathInterface>(op);
  auto allowed = flags.getFastMathFlagsAttr().getValue() | arith::FastMathFlags::reassoc;
  op->setAttr(flags.getFastMathAttrName(),
              arith::FastMathFlagsAttr::get(op->getContext(), allowed));
}

} // namespace ptq::execution
