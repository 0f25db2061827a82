// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Carrying a plan out. Everything that can fail is done first: the new data of all parameters are
// computed before the first operation is touched.

#include "ptq/Analysis/ChannelScale.h"

#include "ChannelScaleConstant.h"
#include "ChannelScalePlan.h"
#include "ChannelScaleRules.h"
#include "ChannelScaleWeight.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

static llvm::Error error(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The factors s_c^(exponent · power) of a map.
static Factors factorsOf(const ScaleMap &map, ArrayRef<double> scaleOfClass, int power) {
  Factors factors{map.dims, map.sizes, {}};
  for (ClassId id : map.classes)
    factors.values.push_back(id == kUnscaled ? 1.0
                                             : std::pow(scaleOfClass[id], map.exponent * power));
  return factors;
}

static std::string nameOf(const ScaleGroup &group) {
  LinearOp first = group.layers.front();
  return first.getLayerName().str();
}

/// The scale of each class, or what is wrong with `s`.
static llvm::Expected<std::vector<double>> scalesOfClasses(const ScaleGroup &group,
                                                           ArrayRef<float> s) {
  std::string layer = nameOf(group);
  if (!group.plan)
    return error("the input of '" + layer + "' takes no scale: " + group.description);
  if (int64_t(s.size()) != group.channels)
    return error("the input of '" + layer + "' has " + Twine(group.channels) +
                 " channels, but there are " + Twine(s.size()) + " scales");
  std::vector<double> scales(group.numClasses, 0);
  for (int64_t k = 0; k < group.channels; ++k) {
    double &scale = scales[group.ties[k]];
    if (!(s[k] > 0) || !std::isfinite(s[k]))
      return error("the scale of channel " + Twine(k) + " of '" + layer +
                   "' is not positive and finite");
    if (scale != 0 && scale != s[k])
      return error("channel " + Twine(k) + " of '" + layer +
                   "' is tied to an earlier one, but has another scale");
    scale = s[k];
  }
  return scales;
}

//===----------------------------------------------------------------------===//
// Layers' attributes
//===----------------------------------------------------------------------===//

/// `elements`, float32 of shape [n] or [n, groups], with entry i of the first dimension multiplied
/// by factors[i]; `elements` itself if it cannot be read.
static ElementsAttr scaledRows(ElementsAttr elements, ArrayRef<double> factors, StringRef name) {
  ConstantEdit edit;
  edit.factors.push_back({{0}, {int64_t(factors.size())}, factors.vec()});
  if (llvm::Error problem = checkReadable(elements)) {
    llvm::consumeError(std::move(problem));
    return elements;
  }
  auto result = editElements(elements, edit, name);
  if (!result) {
    llvm::consumeError(result.takeError());
    return elements;
  }
  return *result;
}

/// The statistics of x·f from those of x.
static StatisticsAttr scaledStatistics(StatisticsAttr statistics, ArrayRef<double> factors,
                                       StringRef layer) {
  auto named = [&](StringRef name) { return (layer + "." + name).str(); };
  SmallVector<double> inverse = llvm::map_to_vector(factors, [](double f) { return 1 / f; });
  ElementsAttr divisor = statistics.getDivisor();
  if (!divisor) {
    auto type =
        RankedTensorType::get({int64_t(factors.size())}, Float32Type::get(statistics.getContext()));
    divisor = DenseElementsAttr::get(type, 1.0f);
  }
  return StatisticsAttr::get(statistics.getContext(), statistics.getTokens(),
                             scaledRows(statistics.getAbsmax(), factors, named("absmax")),
                             scaledRows(statistics.getMeanAbs(), factors, named("mean_abs")),
                             scaledRows(divisor, inverse, named("divisor")));
}

static void updateAttributes(const LinearEdit &edit, ArrayRef<double> scales,
                             llvm::DenseMap<StatisticsAttr, StatisticsAttr> &shared) {
  LinearOp linear = edit.linear;
  if (edit.columns) {
    if (StatisticsAttr statistics = linear.getStatisticsAttr()) {
      StatisticsAttr &scaled = shared[statistics];
      if (!scaled)
        scaled = scaledStatistics(statistics, factorsOf(*edit.columns, scales, 1).values,
                                  linear.getLayerName());
      linear.setStatisticsAttr(scaled);
    }
    linear.removeClipAttr();
  } else if (ElementsAttr clip = linear.getClipAttr()) {
    linear.setClipAttr(scaledRows(clip, factorsOf(*edit.rows, scales, 1).values,
                                  (linear.getLayerName() + ".clip").str()));
  }
}

//===----------------------------------------------------------------------===//
// Operations that are inserted
//===----------------------------------------------------------------------===//

static Value scaleConstant(OpBuilder &builder, Location loc, const Factors &factors,
                           Type elementType, StringRef key) {
  auto type = RankedTensorType::get(factors.sizes, elementType);
  ConstantEdit edit;
  Factors whole = factors;
  for (auto [i, dim] : llvm::enumerate(whole.dims))
    dim = i;
  edit.factors.push_back(whole);
  std::vector<float> ones(type.getNumElements(), 1.0f);
  auto data = editElements(ones, type, edit, key);
  if (!data) { // Out of the type's range: in float32 at least all scales fit.
    llvm::consumeError(data.takeError());
    type = type.clone(builder.getF32Type());
    data = editElements(ones, type, edit, key);
  }
  return arith::ConstantOp::create(builder, loc, llvm::cantFail(std::move(data)));
}

/// Multiplies a value by a constant over some of its dimensions, for all that read it: what the
/// weight of a norm would have done.
static void insertMultiplication(const InsertedScale &inserted, ArrayRef<double> scales,
                                 StringRef layer) {
  OpBuilder builder(inserted.value.getOwner()->getContext());
  builder.setInsertionPointAfter(inserted.value.getOwner());
  Location loc = inserted.value.getLoc();
  auto type = cast<RankedTensorType>(inserted.value.getType());
  Factors factors = factorsOf(inserted.map, scales, 1);
  Value constant =
      scaleConstant(builder, loc, factors, type.getElementType(), (layer + ".input_scale").str());
  SmallVector<AffineExpr> exprs;
  for (unsigned dim : factors.dims)
    exprs.push_back(builder.getAffineDimExpr(dim));
  AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
  AffineMap channels = AffineMap::get(type.getRank(), 0, exprs, builder.getContext());
  Value empty = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, inserted.value), type.getElementType());
  auto product = linalg::GenericOp::create(
      builder, loc, type, ValueRange{inserted.value, constant}, empty,
      ArrayRef<AffineMap>{identity, channels, identity},
      SmallVector<utils::IteratorType>(type.getRank(), utils::IteratorType::parallel),
      [](OpBuilder &nested, Location loc, ValueRange arguments) {
        Value scale = arguments[1];
        Type type = arguments[0].getType();
        Value x = arguments[0];
        if (scale.getType() != type)
          x = arith::ExtFOp::create(nested, loc, scale.getType(), x);
        Value y = arith::MulFOp::create(nested, loc, x, scale);
        if (scale.getType() != type)
          y = arith::TruncFOp::create(nested, loc, type, y);
        linalg::YieldOp::create(nested, loc, y);
      });
  Value value = inserted.value;
  value.replaceUsesWithIf(product->getResult(0), [&](OpOperand &use) {
    return use.getOwner() != product && !isa<tensor::DimOp>(use.getOwner());
  });
}

/// Layers by what they read and the block in which they do.
using EditsByInput = llvm::MapVector<std::pair<Value, Block *>, SmallVector<const LinearEdit *>>;

/// The explicit ptq.scale_channels that these layers alone read, if an earlier call inserted one.
static ScaleChannelsOp explicitScale(Value x, ArrayRef<const LinearEdit *> edits) {
  auto scale = x.getDefiningOp<ScaleChannelsOp>();
  bool alone = scale && isRewritable(scale.getScales()) &&
               size_t(std::distance(x.use_begin(), x.use_end())) == edits.size();
  return alone ? scale : ScaleChannelsOp();
}

/// Puts one ptq.scale_channels in front of the layers, for each value that they read and that is
/// not scaled yet.
static void insertExplicit(const EditsByInput &byInput, ArrayRef<double> scales) {
  for (const auto &[input, edits] : byInput) {
    Value x = input.first;
    if (explicitScale(x, edits))
      continue;
    LinearOp first = edits.front()->linear;
    OpBuilder builder(first);
    Factors factors = factorsOf(*edits.front()->columns, scales, 1);
    Value constant = scaleConstant(builder, first.getLoc(), factors, builder.getF32Type(),
                                   (first.getLayerName() + ".input_scale").str());
    Value scaled = ScaleChannelsOp::create(builder, first.getLoc(), x.getType(), x, constant);
    for (const LinearEdit *edit : edits)
      LinearOp(edit->linear).getXMutable().set(scaled);
  }
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

llvm::Error ptq::applyScales(const ScaleGroup &group, ArrayRef<float> s) {
  llvm::Expected<std::vector<double>> scales = scalesOfClasses(group, s);
  if (!scales)
    return scales.takeError();
  const Plan &plan = *group.plan;

  ParameterRewriter rewriter;
  for (const ParameterEdit &edit : plan.parameters)
    rewriter.add(edit.op->getOpOperand(edit.operand),
                 {{factorsOf(edit.map, *scales, 1)}, edit.shift}, "");
  for (const LinearEdit &edit : plan.linears) {
    LinearOp linear = edit.linear;
    ConstantEdit weight, bias;
    if (edit.rows) {
      weight.factors.push_back(factorsOf(*edit.rows, *scales, 1));
      bias = weight;
    }
    if (edit.columns) {
      Factors columns = factorsOf(*edit.columns, *scales, -1);
      columns.dims = {1};
      weight.factors.push_back(columns);
    }
    std::string layer = linear.getLayerName().str();
    rewriter.add(linear.getWeightMutable(), weight, layer + ".weight");
    if (edit.rows && linear.getBias())
      rewriter.add(linear.getBiasMutable()[0], bias, layer + ".bias");
  }
  EditsByInput explicitInputs;
  if (plan.isExplicit)
    for (const LinearEdit &edit : plan.linears)
      explicitInputs[{edit.linear->getOperand(0), edit.linear->getBlock()}].push_back(&edit);
  for (auto &[input, edits] : explicitInputs)
    if (ScaleChannelsOp scale = explicitScale(input.first, edits))
      rewriter.add(scale.getScalesMutable(), {{factorsOf(*edits.front()->columns, *scales, 1)}, 0},
                   "");
  if (llvm::Error problem = rewriter.compute())
    return problem;

  insertExplicit(explicitInputs, *scales);
  rewriter.commit();
  for (const InsertedScale &inserted : plan.inserted)
    insertMultiplication(inserted, *scales, nameOf(group));
  llvm::DenseMap<StatisticsAttr, StatisticsAttr> shared;
  for (const LinearEdit &edit : plan.linears)
    updateAttributes(edit, *scales, shared);
  for (const ObservationEdit &edit : plan.observations) {
    ObserveOp observe = edit.observe;
    if (StatisticsAttr statistics = observe.getStatisticsAttr())
      observe.setStatisticsAttr(edit.map ? scaledStatistics(statistics,
                                                            factorsOf(*edit.map, *scales, 1).values,
                                                            observe.getName())
                                         : StatisticsAttr());
  }
  return llvm::Error::success();
}
