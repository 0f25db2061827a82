// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ContractionMatch.h"

#include "ptq/Analysis/ElementwiseBody.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace ptq;

using llvm::SmallBitVector;
using MatchResult = std::variant<NotLinear, DeclinedLinear, LinearMatch>;

static SmallBitVector loopsOf(AffineMap map) {
  SmallBitVector loops(map.getNumDims());
  for (AffineExpr expr : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      loops.set(dim.getPosition());
  return loops;
}

/// Replaces operand dimensions by the loops that run over them.
static void toLoops(ParameterSource &source, AffineMap map) {
  for (SmallVector<unsigned, 2> &dims : source.dimensions)
    for (unsigned &dim : dims)
      dim = map.getDimPosition(dim);
}

static SmallBitVector loopsOf(const ParameterSource &source, unsigned numLoops) {
  SmallBitVector loops(numLoops);
  for (ArrayRef<unsigned> dims : source.dimensions)
    for (unsigned loop : dims)
      loops.set(loop);
  return loops;
}

/// Integer and already quantized contractions, which are recognized only to be named.
static bool isIntegerContraction(linalg::LinalgOp op) {
  if (isa<linalg::QuantizedMatmulOp, linalg::QuantizedBatchMatmulOp>(op.getOperation()))
    return true;
  return op.getNumDpsInputs() == 2 && op.getNumDpsInits() == 1 && op.getNumReductionLoops() > 0 &&
         linalg::isaContractionOpInterface(op) && llvm::all_of(op.getDpsInputs(), [](Value v) {
           return isa<IntegerType>(getElementTypeOrSelf(v.getType()));
         });
}

static bool isFloatContraction(linalg::LinalgOp op) {
  if (!op.hasPureTensorSemantics() || op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() == 0 || !yieldsMultiplyAdd(op.getBlock()))
    return false;
  return llvm::all_of(op->getOperands(), [](Value v) {
    return isa<RankedTensorType>(v.getType()) && isa<FloatType>(getElementTypeOrSelf(v.getType()));
  });
}

namespace {

/// The two inputs of a contraction, one of which may be its weight.
class Matcher {
public:
  Matcher(linalg::LinalgOp op, const ParameterAnalysis &parameters)
      : op(op), parameters(parameters) {}

  MatchResult match();

private:
  /// Chooses the input that is the weight. False if none is, or both are.
  bool chooseWeight();
  /// The match if the chosen input is a layer's weight, else the reason why not.
  MatchResult matchWeight(ParameterSource source, bool unmarked);

  int64_t size(unsigned loop) { return sizes[loop]; }

  linalg::LinalgOp op;
  const ParameterAnalysis &parameters;
  SmallVector<int64_t> sizes;
  unsigned weightOperand = 0;
};

} // namespace

bool Matcher::chooseWeight() {
  // Where frontends put the weight, if nothing else tells which of two values it is.
  unsigned conventional = isa<linalg::MatvecOp>(op.getOperation()) ? 0 : 1;
  bool isParameter[2], isUnmarked[2];
  for (unsigned i = 0; i < 2; ++i) {
    std::optional<ParameterSource> source = parameters.trace(op.getDpsInputs()[i]);
    isUnmarked[i] = source && isUnmarkedArgument(source->root);
    isParameter[i] = source && !isUnmarked[i];
  }
  if (isParameter[0] != isParameter[1])
    weightOperand = isParameter[0] ? 0 : 1;
  else if (isParameter[0])
    return false; // A computation on parameters.
  else if (isUnmarked[conventional])
    weightOperand = conventional;
  else
    return false;
  return true;
}

MatchResult Matcher::match() {
  if (!chooseWeight())
    return NotLinear();
  std::optional<ParameterSource> source = parameters.trace(op.getDpsInputs()[weightOperand]);
  if (!source)
    return NotLinear();
  sizes = op.getStaticLoopRanges();
  bool unmarked = isUnmarkedArgument(source->root);
  MatchResult result = matchWeight(std::move(*source), unmarked);
  if (unmarked && std::holds_alternative<DeclinedLinear>(result))
    return NotLinear();
  return result;
}

MatchResult Matcher::matchWeight(ParameterSource source, bool unmarked) {
  Value root = source.root;
  auto decline = [&](const Twine &reason) -> MatchResult {
    return DeclinedLinear{root, reason.str()};
  };

  if (!llvm::all_of(op->getOperands(), [](Value operand) {
        Type type = getElementTypeOrSelf(operand.getType());
        return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
      }))
    return decline("its element types are not all f16, bf16, f32 or f64");
  for (AffineMap map : op.getIndexingMapsArray())
    if (!map.isProjectedPermutation())
      return decline("the indexing map of an operand is not a projected permutation");
  if (!cast<RankedTensorType>(root.getType()).hasStaticShape())
    return decline("the weight's shape is dynamic");

  AffineMap weightMap = op.getMatchingIndexingMap(op.getDpsInputOperand(weightOperand));
  AffineMap activationMap = op.getMatchingIndexingMap(op.getDpsInputOperand(1 - weightOperand));
  AffineMap outputMap = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  unsigned numLoops = op.getNumLoops();
  SmallBitVector inWeight = loopsOf(weightMap), inActivation = loopsOf(activationMap),
                 inOutput = loopsOf(outputMap);
  toLoops(source, weightMap);
  SmallBitVector inRoot = loopsOf(source, numLoops);

  SmallBitVector isRow(numLoops), isChannel(numLoops);
  for (unsigned loop = 0; loop < numLoops; ++loop) {
    if (inOutput[loop] && inActivation[loop]) {
      if (inRoot[loop] && size(loop) != 1)
        return decline("the weight differs along a batch dimension of size " + Twine(size(loop)) +
                       "; one layer has one weight");
      continue;
    }
    if (inOutput[loop] == inActivation[loop] || !inWeight[loop])
      return NotLinear();
    (inOutput[loop] ? isRow : isChannel).set(loop);
    if (!inRoot[loop] && size(loop) != 1)
      return decline(inOutput[loop] ? "the weight is a broadcast along its output channels"
                                    : "the weight is a broadcast along its input channels");
  }

  LinearMatch match;
  match.op = op;
  match.weightOperand = weightOperand;
  for (AffineExpr expr : activationMap.getResults())
    if (unsigned loop = cast<AffineDimExpr>(expr).getPosition(); !isChannel[loop])
      match.leading.push_back(loop);
  // Batch loops of size 1 are the activation's; the weight's dimension is just of size 1.
  for (SmallVector<unsigned, 2> &dims : source.dimensions) {
    llvm::erase_if(dims, [&](unsigned loop) { return !isRow[loop] && !isChannel[loop]; });
    bool rows = false, channels = false;
    for (unsigned loop : dims) {
      (isRow[loop] ? rows : channels) = true;
      (isRow[loop] ? match.rows : match.channels).push_back(loop);
    }
    if (rows && channels)
      return decline("one dimension of the weight holds both input and output channels");
  }
  if (match.rows.empty() || match.channels.empty())
    return unmarked
               ? MatchResult(NotLinear())
               : decline("the weight is a vector: there is one output or one input channel only");
  // Loops of size 1 that the parameter does not have.
  for (unsigned loop = 0; loop < numLoops; ++loop)
    if (!inRoot[loop] && isRow[loop])
      match.rows.push_back(loop);
    else if (!inRoot[loop] && isChannel[loop])
      match.channels.push_back(loop);
  match.weight = std::move(source);
  return match;
}

MatchResult ptq::matchLinear(Operation *operation, const ParameterAnalysis &parameters) {
  auto op = dyn_cast<linalg::LinalgOp>(operation);
  if (!op || op->getNumResults() != 1)
    return NotLinear();
  if (isIntegerContraction(op)) {
    Value weight = op.getDpsInputs()[1];
    if (parameters.trace(weight))
      return DeclinedLinear{weight, "its operands are integers: it is quantized already"};
    return NotLinear();
  }
  if (!isFloatContraction(op))
    return NotLinear();
  return Matcher(op, parameters).match();
}
