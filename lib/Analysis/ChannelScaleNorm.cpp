// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is particular to norms: weights stored as w − 1, and norms without a weight.

#include "ChannelScaleLoops.h"

#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

/// w + c with a parameter w and a number c: demanded of the sum, s^e is absorbed by w, which
/// becomes (w + c)·s^e − c.
std::optional<Option> Loops::shiftedParameter() {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || reduces || results.size() != 1 || results[0].status != Position::Known)
    return std::nullopt;
  auto add = body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add)
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    auto argument = dyn_cast<BlockArgument>(add->getOperand(side));
    if (!argument || argument.getOwner() != body || argument.getArgNumber() >= inputs.size())
      continue;
    const Position &parameter = inputs[argument.getArgNumber()];
    if (!parameter.site.use || !parameter.map.isPermutation() || !results[0].map.isPermutation() ||
        argument.getArgNumber() >= generic.getNumDpsInputs())
      continue;
    // The other side: a number in or outside the body, or a splat.
    Value other = add->getOperand(1 - side);
    if (auto otherArgument = dyn_cast<BlockArgument>(other);
        otherArgument && otherArgument.getOwner() == body)
      other = inputs[otherArgument.getArgNumber()].site.value;
    else if (auto cast = other.getDefiningOp<arith::TruncFOp>())
      other = cast.getIn();
    Attribute constant;
    if (!matchPattern(other, m_Constant(&constant)))
      continue;
    std::optional<APFloat> shift;
    if (auto number = dyn_cast<FloatAttr>(constant))
      shift = number.getValue();
    else if (auto dense = dyn_cast<DenseElementsAttr>(constant);
             dense && dense.isSplat() && isa<FloatType>(dense.getElementType()))
      shift = dense.getSplatValue<APFloat>();
    if (!shift)
      continue;
    // The result's dimensions are the parameter's.
    SmallVector<std::pair<unsigned, unsigned>, 4> byDim;
    for (auto [axis, dim] : llvm::enumerate(results[0].scale->dims)) {
      unsigned loop = results[0].map.getDimPosition(dim);
      byDim.emplace_back(*parameter.map.getResultPosition(getAffineDimExpr(loop, op->getContext())),
                         axis);
    }
    llvm::sort(byDim);
    const ScaleMap &known = *results[0].scale;
    ScaleMap map{known.exponent, {}, {}, {}};
    for (auto [dim, axis] : byDim) {
      map.dims.push_back(dim);
      map.sizes.push_back(known.sizes[axis]);
    }
    auto axes = llvm::to_vector<4>(llvm::seq<unsigned>(0, known.dims.size()));
    MapReader reader(known, axes);
    SmallVector<int64_t, 6> full(known.dims.size(), 0);
    forEachIndex(map.sizes, [&](ArrayRef<int64_t> index) {
      for (auto [entry, at] : llvm::zip_equal(byDim, index))
        full[entry.second] = at;
      map.classes.push_back(reader.at(full));
    });
    Option option;
    option.shifted = ShiftedParameter{parameter.site.use, shift->convertToDouble(), map};
    return option;
  }
  return std::nullopt;
}

/// Where a norm without parameters ends: a value is multiplied or divided by one that does not vary
/// over the channels. The multiplication by s^e that a norm's parameter would have done is inserted
/// behind it.
std::optional<Option> Loops::insertion() {
  if (!body || reduces || results.size() != 1 || results[0].status != Position::Known ||
      llvm::none_of(inputs, [](const Position &p) { return p.status == Position::Unknown; }))
    return std::nullopt;
  Value yielded = body->getTerminator()->getOperand(0);
  while (isa_and_nonnull<arith::TruncFOp, arith::ExtFOp>(yielded.getDefiningOp()))
    yielded = yielded.getDefiningOp()->getOperand(0);
  if (!isa_and_nonnull<arith::MulFOp, arith::DivFOp>(yielded.getDefiningOp()))
    return std::nullopt;
  unsigned with = 0, without = 0;
  for (const Position &input : inputs) {
    if (input.status == Position::Any)
      continue;
    if (!isa<RankedTensorType>(input.site.value.getType()) || input.site.use)
      return std::nullopt;
    // A broadcast does not vary, though it has the dimension.
    ParameterSource source = traceToRoot(input.site.value);
    auto varies = [&](unsigned dimension) {
      return llvm::any_of(source.dimensions,
                          [&](const auto &dims) { return llvm::is_contained(dims, dimension); });
    };
    bool has = llvm::any_of(results[0].scale->dims, [&](unsigned dim) {
      auto loop = dyn_cast<AffineDimExpr>(results[0].map.getResult(dim));
      bool mixed = !loop;
      std::optional<unsigned> dimension =
          loop ? dimensionOf(input.map, loop.getPosition(), mixed) : std::nullopt;
      return mixed || (dimension && varies(*dimension));
    });
    ++(has ? with : without);
  }
  if (!with || !without)
    return std::nullopt;
  Option option;
  option.inserted = true;
  return option;
}
