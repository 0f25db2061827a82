// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contractions with a weight become ptq.linear.
//
// With leading loops m…, row loops n…, channel loops k…, all in the orders that
// lib/Analysis/ContractionMatch found:
//
//   C[m…, n…] = init[m…, n…] + Σ_k A[m…, k…]·W[n…, k…]
//             = init + expand_n(linear(collapse_k(A), collapse_nk(W)))
//
// with a transpose wherever an operand's own order of dimensions is another one. The initial value
// is nothing if it is zero, the layer's bias if it is a vector over n, and is added otherwise.

#include "ptq/Analysis/ContractionMatch.h"
#include "ptq/Checkpoint/StrictJSON.h"
#include "ptq/Raise/LoadedModule.h"
#include "ptq/Raise/Passes.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/Support/MemoryBuffer.h"

namespace ptq {
#define GEN_PASS_DEF_RAISELINEAR
#include "ptq/Raise/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

MLIR_DEFINE_EXPLICIT_TYPE_ID(ptq::LoadedModule)

//===----------------------------------------------------------------------===//
// Shape helpers
//===----------------------------------------------------------------------===//

/// `value` with its dimension perm[i] at i; `value` itself if that changes nothing.
static Value transpose(OpBuilder &b, Location loc, Value value, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return value;
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim : permutation)
    sizes.push_back(tensor::getMixedSize(b, loc, value, dim));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, getElementTypeOrSelf(value.getType()));
  return linalg::TransposeOp::create(b, loc, value, empty, permutation)->getResult(0);
}

/// Reassociation that keeps the first `first` dimensions and merges the rest, up to `rank`.
static SmallVector<ReassociationIndices> mergeTail(int64_t first, int64_t rank) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < first; ++i)
    groups.push_back({i});
  groups.push_back(llvm::to_vector(llvm::seq<int64_t>(first, rank)));
  return groups;
}

static int64_t indexOf(ArrayRef<unsigned> list, unsigned element) {
  return llvm::find(list, element) - list.begin();
}

//===----------------------------------------------------------------------===//
// Rewriting a match
//===----------------------------------------------------------------------===//

namespace {

class Raiser {
public:
  Raiser(LinearMatch match, RewriterBase &rewriter)
      : match(std::move(match)), b(rewriter), loc(this->match.op->getLoc()) {}

  /// Replaces the contraction; returns the layer.
  LinearOp rewrite(StringRef name);

private:
  /// The weight as [out, in].
  Value buildWeight();
  /// The activation as [m…, in].
  Value buildActivation();
  /// The layer's result [m…, out] in the contraction's order of dimensions.
  Value buildResult(Value y);
  /// True if the accumulator starts from zero.
  bool startsFromZero(Value init);

  LinearMatch match;
  RewriterBase &b;
  Location loc;
};

} // namespace

Value Raiser::buildWeight() {
  Value weight = match.weight.root;
  for (Type type : match.weight.casts) {
    auto from = cast<RankedTensorType>(weight.getType());
    auto to = from.clone(type);
    if (type.getIntOrFloatBitWidth() < from.getElementTypeBitWidth())
      weight = arith::TruncFOp::create(b, loc, to, weight);
    else
      weight = arith::ExtFOp::create(b, loc, to, weight);
  }
  // Dimensions of output channels first; those of size 1 that stand for no loop go with them.
  SmallVector<int64_t> rows, channels;
  for (auto [dim, loops] : llvm::enumerate(match.weight.dimensions))
    (loops.empty() || llvm::is_contained(match.rows, loops.front()) ? rows : channels)
        .push_back(dim);
  SmallVector<int64_t> permutation(rows);
  llvm::append_range(permutation, channels);
  weight = transpose(b, loc, weight, permutation);
  int64_t rank = permutation.size();
  if (rank == 2)
    return weight;
  SmallVector<ReassociationIndices> groups{llvm::to_vector(llvm::seq<int64_t>(0, rows.size())),
                                           llvm::to_vector(llvm::seq<int64_t>(rows.size(), rank))};
  return tensor::CollapseShapeOp::create(b, loc, weight, groups);
}

Value Raiser::buildActivation() {
  AffineMap map = match.getActivationMap();
  SmallVector<unsigned> order(match.leading);
  llvm::append_range(order, match.channels);
  SmallVector<int64_t> permutation;
  for (unsigned loop : order)
    permutation.push_back(*map.getResultPosition(b.getAffineDimExpr(loop)));
  Value x = transpose(b, loc, match.getActivation(), permutation);
  if (match.channels.size() == 1)
    return x;
  return tensor::CollapseShapeOp::create(b, loc, x, mergeTail(match.leading.size(), order.size()));
}

Value Raiser::buildResult(Value y) {
  SmallVector<int64_t> sizes = match.op.getStaticLoopRanges();
  if (match.rows.size() != 1) {
    SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, loc, y);
    shape.pop_back();
    SmallVector<int64_t> staticShape(cast<RankedTensorType>(y.getType()).getShape().drop_back());
    for (unsigned loop : match.rows) {
      shape.push_back(b.getIndexAttr(sizes[loop]));
      staticShape.push_back(sizes[loop]);
    }
    auto type = RankedTensorType::get(staticShape, getElementTypeOrSelf(y.getType()));
    y = tensor::ExpandShapeOp::create(b, loc, type, y,
                                      mergeTail(match.leading.size(), staticShape.size()), shape);
  }
  SmallVector<unsigned> order(match.leading);
  llvm::append_range(order, match.rows);
  AffineMap output = match.op.getMatchingIndexingMap(match.op.getDpsInitOperand(0));
  SmallVector<int64_t> permutation;
  for (AffineExpr expr : output.getResults())
    permutation.push_back(indexOf(order, cast<AffineDimExpr>(expr).getPosition()));
  return transpose(b, loc, y, permutation);
}

bool Raiser::startsFromZero(Value init) {
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  return matchPattern(init, m_AnyZeroFloat());
}

LinearOp Raiser::rewrite(StringRef name) {
  b.setInsertionPoint(match.op);
  Value init = match.op.getDpsInits()[0];
  Type elementType = getElementTypeOrSelf(init.getType());
  Value x = buildActivation(), weight = buildWeight();
  SmallVector<int64_t> shape(cast<RankedTensorType>(x.getType()).getShape());
  shape.back() = cast<RankedTensorType>(weight.getType()).getDimSize(0);
  auto linear =
      LinearOp::create(b, loc, RankedTensorType::get(shape, elementType), x, weight,
                       /*bias=*/Value(), b.getStringAttr(name), StatisticsAttr(), SchemeAttr(),
                       SchemeAttr(), /*clip=*/ElementsAttr(), OutliersAttr());
  Value result = buildResult(linear.getY());
  if (result.getType() != match.op->getResult(0).getType())
    result = tensor::CastOp::create(b, loc, match.op->getResult(0).getType(), result);
  // A vector as initial value is absorbed afterwards, like one that is added.
  if (!startsFromZero(init))
    result = arith::AddFOp::create(b, loc, result, init);
  b.replaceOp(match.op, result);
  return absorbEpilogue(linear, b);
}

//===----------------------------------------------------------------------===//
// Functions and the pass
//===----------------------------------------------------------------------===//

RaiseCounts ptq::raiseLinears(FunctionOpInterface function, LayerNames &names) {
  RaiseCounts counts;
  if (function.isExternal())
    return counts;
  SmallVector<Operation *> candidates;
  function.walk([&](linalg::LinalgOp op) { candidates.push_back(op); });
  // All are matched before any is rewritten: what is known of values holds until the function
  // changes.
  ParameterAnalysis parameters(function);
  std::vector<std::pair<LinearMatch, std::string>> matches;
  for (Operation *op : candidates) {
    auto result = matchLinear(op, parameters);
    if (auto *declined = std::get_if<DeclinedLinear>(&result)) {
      std::string name = names.name(op, declined->weight);
      mlir::emitRemark(op->getLoc(), "linear layer '")
          << name << "' not raised: " << declined->reason;
      op->setAttr(kDeclinedAttr, StringAttr::get(op->getContext(), declined->reason));
      op->setAttr(kLayerAttr, StringAttr::get(op->getContext(), name));
      ++counts.declined;
    } else if (auto *match = std::get_if<LinearMatch>(&result)) {
      std::string name = names.name(op, match->weight.root);
      matches.emplace_back(std::move(*match), std::move(name));
      ++counts.raised;
    }
  }
  IRRewriter rewriter(function.getContext());
  for (auto &[match, name] : matches)
    Raiser(std::move(match), rewriter).rewrite(name);
  // The transposes, broadcasts and fills that nothing reads any more.
  if (counts.raised)
    (void)runRegionDCE(rewriter, function->getRegions());
  return counts;
}

LogicalResult ptq::ensureRaised(ModuleOp module, AnalysisManager analyses) {
  (void)analyses.getAnalysis<LoadedModule>();
  auto hasLayer = [&] {
    return module.walk([](LayerOpInterface) { return WalkResult::interrupt(); }).wasInterrupted();
  };
  if (hasLayer())
    return success();
  for (auto function : module.getOps<FunctionOpInterface>()) {
    LayerNames names;
    raiseLinears(function, names);
  }
  if (hasLayer())
    return success();
  return mlir::emitError(
      module.getLoc(),
      "no linear layer found: no contraction has an operand that is made of a parameter. "
      "Parameters are constants, ml_program globals and arguments with the attribute "
      "ptq.parameter; mark the weights, or bind them with --load-parameters");
}

namespace {

struct RaiseLinearPass : ptq::impl::RaiseLinearBase<RaiseLinearPass> {
  using RaiseLinearBase::RaiseLinearBase;

  void runOnOperation() override {
    (void)getAnalysis<LoadedModule>();
    llvm::StringMap<std::string> aliases;
    if (!namesFile.empty())
      if (llvm::Error error = readAliases(aliases)) {
        mlir::emitError(getOperation().getLoc(), toString(std::move(error)));
        return signalPassFailure();
      }
    for (auto function : getOperation().getOps<FunctionOpInterface>()) {
      LayerNames names(aliases);
      RaiseCounts counts = raiseLinears(function, names);
      numRaised += counts.raised;
      numDeclined += counts.declined;
    }
  }

  llvm::Error readAliases(llvm::StringMap<std::string> &aliases) {
    auto buffer = llvm::MemoryBuffer::getFile(namesFile);
    if (!buffer)
      return llvm::createStringError("cannot read '" + namesFile +
                                     "': " + buffer.getError().message());
    llvm::Expected<llvm::json::Value> json = checkpoint::parseStrictJSON((*buffer)->getBuffer());
    if (!json)
      return llvm::createStringError("'" + namesFile +
                                     "' is not JSON: " + toString(json.takeError()));
    llvm::json::Object *object = json->getAsObject();
    if (!object)
      return llvm::createStringError("'" + namesFile +
                                     "' must be a JSON object of key to layer name");
    for (auto &[key, value] : *object) {
      std::optional<StringRef> name = value.getAsString();
      if (!name)
        return llvm::createStringError("'" + namesFile + "': the name of '" + key.str() +
                                       "' is not a string");
      aliases[key] = name->str();
    }
    return llvm::Error::success();
  }
};

} // namespace
