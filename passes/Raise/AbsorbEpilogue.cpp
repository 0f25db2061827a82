// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Absorbs into a ptq.linear what a frontend wrote after the contraction.
//
// Cast:  trunc_T(linear(x, w))      = linear(x, w) : T        the accumulator is rounded once in
// both Bias:  shape(linear(x, w)) + b[n] = shape(linear(x, w, b))  for shape operations that keep
// the last dimension
//
// Preconditions: the layer has no bias yet, and each absorbed value has one use. The bias is
// absorbed only where the layer's result is float32 or wider: in 16 bit the frontend rounds before
// it adds, the op after.

#include "ptq/Analysis/ElementwiseBody.h"
#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace ptq;

/// The element type `user` casts its whole operand to; null if it is not such a cast.
static Type castTo(Operation *user) {
  if (isa<arith::TruncFOp>(user))
    return getElementTypeOrSelf(user->getResult(0).getType());
  auto generic = dyn_cast<linalg::GenericOp>(user);
  if (!generic || generic.getNumDpsInputs() != 1 || generic->getNumResults() != 1 ||
      generic.getNumReductionLoops() != 0 || !yieldsCastOfArgument(generic.getBlock(), 0) ||
      !llvm::all_of(generic.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return {};
  Type from = getElementTypeOrSelf(generic.getDpsInputs()[0].getType());
  Type to = getElementTypeOrSelf(generic->getResult(0).getType());
  // One rounding only: a body with one cast.
  return from != to && generic.getBlock()->getOperations().size() == 2 ? to : Type();
}

static LinearOp absorbCast(LinearOp linear, RewriterBase &rewriter) {
  if (!linear.getY().hasOneUse() || !linear.getY().getType().getElementType().isF32())
    return linear;
  Operation *user = *linear.getY().user_begin();
  Type type = castTo(user);
  if (!type || !(type.isF16() || type.isBF16()))
    return linear;
  rewriter.setInsertionPoint(user);
  auto narrow = cast<LinearOp>(rewriter.clone(*linear));
  narrow.getY().setType(linear.getY().getType().clone(type));
  rewriter.replaceOp(user, narrow.getY());
  rewriter.eraseOp(linear);
  return narrow;
}

/// True if `op` reshapes its first operand and leaves the last dimension as it is.
static bool keepsLastDimension(Operation *op) {
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return !collapse.getReassociationIndices().empty() &&
           collapse.getReassociationIndices().back().size() == 1;
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return !expand.getReassociationIndices().empty() &&
           expand.getReassociationIndices().back().size() == 1;
  return false;
}

namespace {
/// An elementwise addition of `value`, which keeps its shape, and `addend`.
struct Addition {
  Value addend;
  AffineMap addendMap; ///< From the result's dimensions to the addend's.
};
} // namespace

static std::optional<Addition> matchAddition(Operation *op, Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (op->getNumResults() != 1 || op->getResult(0).getType() != type)
    return std::nullopt;
  auto other = [&](Value a, Value b) { return a == value ? b : a; };
  AffineMap identity = AffineMap::getMultiDimIdentityMap(type.getRank(), op->getContext());
  if (auto add = dyn_cast<arith::AddFOp>(op))
    return Addition{other(add.getLhs(), add.getRhs()), identity};
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (!linalgOp || linalgOp.getNumDpsInputs() != 2 || linalgOp.getNumReductionLoops() != 0 ||
      !yieldsSumOfArguments(linalgOp.getBlock()))
    return std::nullopt;
  OpOperand *mine = linalgOp.getDpsInputOperand(linalgOp.getDpsInputs()[0] == value ? 0 : 1);
  OpOperand *theirs = linalgOp.getDpsInputOperand(1 - mine->getOperandNumber());
  AffineMap output = linalgOp.getMatchingIndexingMap(linalgOp.getDpsInitOperand(0));
  // A map may say 0 where the size is 1; the shapes being equal, such a map is an identity too.
  if (!output.isIdentity() ||
      linalgOp.getMatchingIndexingMap(mine).getNumResults() != type.getRank() ||
      !llvm::all_of(llvm::enumerate(linalgOp.getMatchingIndexingMap(mine).getResults()),
                    [&](auto e) {
                      auto dim = dyn_cast<AffineDimExpr>(e.value());
                      return dim ? dim.getPosition() == e.index() : type.getDimSize(e.index()) == 1;
                    }))
    return std::nullopt;
  return Addition{theirs->get(), linalgOp.getMatchingIndexingMap(theirs)};
}

/// The vector that is broadcast along the last of `map`'s dimensions to give `addend`; null if it
/// is none. Casts that narrow are not looked through.
static Value traceBias(Value addend, AffineMap map, int64_t size, RewriterBase &rewriter) {
  ParameterSource source = traceToRoot(addend);
  if (!isStoredValue(source.root))
    return {};
  auto type = cast<RankedTensorType>(source.root.getType());
  if (!type.hasStaticShape() || type.getNumElements() != size || type.getRank() == 0 ||
      !isa<FloatType>(type.getElementType()))
    return {};
  unsigned width = type.getElementTypeBitWidth();
  for (Type castType : source.casts) {
    if (castType.getIntOrFloatBitWidth() < width)
      return {};
    width = castType.getIntOrFloatBitWidth();
  }
  for (auto [dim, list] : llvm::enumerate(source.dimensions)) {
    if (type.getDimSize(dim) == 1 && size != 1)
      continue;
    for (unsigned operandDim : list) {
      auto expr = dyn_cast<AffineDimExpr>(map.getResult(operandDim));
      if (cast<RankedTensorType>(addend.getType()).getDimSize(operandDim) != 1 &&
          (!expr || expr.getPosition() + 1 != map.getNumDims()))
        return {};
    }
    if (list.empty() && size != 1)
      return {};
  }
  if (type.getRank() == 1)
    return source.root;
  ReassociationIndices all = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  return tensor::CollapseShapeOp::create(rewriter, addend.getLoc(), source.root,
                                         SmallVector<ReassociationIndices>{all});
}

static LinearOp absorbBias(LinearOp linear, RewriterBase &rewriter) {
  Type elementType = linear.getY().getType().getElementType();
  if (linear.getBias() || elementType.getIntOrFloatBitWidth() < 32)
    return linear;
  SmallVector<Operation *> reshapes;
  Value value = linear.getY();
  while (value.hasOneUse() && keepsLastDimension(*value.user_begin())) {
    reshapes.push_back(*value.user_begin());
    value = reshapes.back()->getResult(0);
  }
  if (!value.hasOneUse())
    return linear;
  Operation *user = *value.user_begin();
  std::optional<Addition> addition = matchAddition(user, value);
  if (!addition)
    return linear;
  rewriter.setInsertionPoint(user);
  Value bias = traceBias(addition->addend, addition->addendMap, linear.getOutFeatures(), rewriter);
  if (!bias)
    return linear;
  // The layer moves to the addition, where its bias is defined.
  auto biased = cast<LinearOp>(rewriter.clone(*linear));
  biased.getBiasMutable().assign(bias);
  IRMapping mapping;
  mapping.map(linear.getY(), biased.getY());
  for (Operation *reshape : reshapes)
    rewriter.clone(*reshape, mapping);
  rewriter.replaceOp(user, mapping.lookup(value));
  for (Operation *reshape : llvm::reverse(reshapes))
    rewriter.eraseOp(reshape);
  rewriter.eraseOp(linear);
  return biased;
}

LinearOp ptq::absorbEpilogue(LinearOp linear, RewriterBase &rewriter) {
  return absorbCast(absorbBias(linear, rewriter), rewriter);
}
