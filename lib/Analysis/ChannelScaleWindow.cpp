// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales through windows of a tensor.
//
// extract_slice, insert_slice, concat and pad relate a tensor to windows of it,
// small[i] = big[offset + i·stride]. Elements of the big tensor outside the window get classes of
// their own, which stay free unless something else reads them: a slice of a fused qkv projection
// scales the rows of v and leaves q's and k's alone. Along a dimension that is cut but on which the
// scale does not vary (the last token of a sequence) the big tensor does not vary either; where
// that leads nowhere (the slice is one of three stacked projections) it does.

#include "ChannelScaleRules.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq::channel_scale;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

namespace {

/// A part of the big tensor.
struct Window {
  Site small;
  RankedTensorType type;
  /// For each dimension of `small` its dimension in the big tensor.
  SmallVector<unsigned> dims;
  /// By dimension of the big tensor; dynamic entries are ShapedType::kDynamic.
  SmallVector<int64_t> offsets, sizes, strides;
  bool invariant = false;
};

/// A tensor and windows of it that do not overlap. `rest` is what its elements outside of them are
/// (insert_slice's destination), if they are anything.
struct Windows {
  Site big;
  RankedTensorType type;
  std::vector<Window> windows;
  std::optional<Site> rest;
};

} // namespace

static std::optional<Windows> windowsOf(Operation *op) {
  auto constants = [](ArrayRef<int64_t> values) { return SmallVector<int64_t>(values); };
  auto slice = [&](auto op, Site big, RankedTensorType bigType, Site small,
                   RankedTensorType smallType) {
    Window window{small,
                  smallType,
                  {},
                  constants(op.getStaticOffsets()),
                  constants(op.getStaticSizes()),
                  constants(op.getStaticStrides())};
    llvm::SmallBitVector dropped = op.getDroppedDims();
    for (unsigned dim = 0; dim < bigType.getRank(); ++dim)
      if (!dropped.test(dim))
        window.dims.push_back(dim);
    window.invariant = small.value != op.getResult() && isScaleInvariant(small.value);
    return Windows{big, bigType, {window}, std::nullopt};
  };
  auto whole = [](OpOperand &operand, ArrayRef<int64_t> offsets) {
    RankedTensorType type = typeOf(operand.get());
    Window window{siteOf(operand),
                  type,
                  llvm::to_vector(llvm::seq<unsigned>(0, type.getRank())),
                  SmallVector<int64_t>(offsets),
                  SmallVector<int64_t>(type.getShape()),
                  SmallVector<int64_t>(type.getRank(), 1)};
    window.invariant = isScaleInvariant(operand.get());
    return window;
  };
  return llvm::TypeSwitch<Operation *, std::optional<Windows>>(op)
      .Case([&](tensor::ExtractSliceOp op) -> std::optional<Windows> {
        return slice(op, siteOf(op.getSourceMutable()), op.getSourceType(),
                     siteOf(cast<OpResult>(op.getResult())), op.getType());
      })
      .Case([&](tensor::InsertSliceOp op) -> std::optional<Windows> {
        Windows result = slice(op, siteOf(cast<OpResult>(op.getResult())), op.getType(),
                               siteOf(op.getSourceMutable()), op.getSourceType());
        if (!isScaleInvariant(op.getDest()))
          result.rest = siteOf(op.getDestMutable());
        return result;
      })
      .Case([&](tensor::ConcatOp op) -> std::optional<Windows> {
        Windows result{siteOf(cast<OpResult>(op.getResult())), op.getResultType(), {}, {}};
        SmallVector<int64_t> offsets(op.getRank(), 0);
        for (OpOperand &operand : op->getOpOperands()) {
          result.windows.push_back(whole(operand, offsets));
          int64_t &offset = offsets[op.getDim()];
          int64_t size = typeOf(operand.get()).getDimSize(op.getDim());
          offset = ShapedType::isDynamic(offset) || ShapedType::isDynamic(size)
                       ? ShapedType::kDynamic
                       : offset + size;
        }
        return result;
      })
      .Case([&](tensor::PadOp op) -> std::optional<Windows> {
        Value padding = op.getConstantPaddingValue();
        if (!padding || !isScaleInvariant(padding))
          return std::nullopt;
        Windows result{siteOf(cast<OpResult>(op.getResult())), op.getResultType(), {}, {}};
        result.windows.push_back(whole(op.getSourceMutable(), op.getStaticLow()));
        return result;
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// The option in which the big tensor's scale varies over `dims`.
static std::optional<Option> windowOption(const Windows &windows, ArrayRef<unsigned> dims,
                                          const State &state, int exponent) {
  Option option;
  ScaleMap big{exponent, SmallVector<unsigned, 4>(dims), {}, {}};
  for (unsigned dim : dims)
    big.sizes.push_back(windows.type.getDimSize(dim));
  std::optional<int64_t> count = boundedProduct(big.sizes);
  if (!count)
    return std::nullopt;
  for (int64_t i = 0; i < *count; ++i)
    big.classes.push_back(-++option.fresh);
  auto axisOf = [&](unsigned dim) { return unsigned(llvm::find(dims, dim) - dims.begin()); };
  auto all = llvm::to_vector<4>(llvm::seq<unsigned>(0, dims.size()));
  MapReader reader(big, all);
  std::vector<bool> covered(*count, false);
  for (const Window &window : windows.windows) {
    // The window's own dimensions that vary, their axes in `big`, and the other axes, whose one
    // element is taken at the window's offset.
    ScaleMap small{exponent, {}, {}, {}};
    SmallVector<unsigned, 4> axes;
    for (auto [dim, bigDim] : llvm::enumerate(window.dims))
      if (llvm::is_contained(dims, bigDim)) {
        small.dims.push_back(dim);
        small.sizes.push_back(window.type.getDimSize(dim));
        axes.push_back(axisOf(bigDim));
      }
    SmallVector<int64_t, 4> offsets, strides;
    for (unsigned dim : dims) {
      offsets.push_back(window.offsets[dim]);
      strides.push_back(window.strides[dim]);
      if (ShapedType::isDynamic(offsets.back()) || ShapedType::isDynamic(strides.back()) ||
          offsets.back() + (window.sizes[dim] - 1) * strides.back() >= big.sizes[axisOf(dim)])
        return std::nullopt;
    }
    if (!boundedProduct(small.sizes))
      return std::nullopt;
    const ScaleMap *known = state.lookup(window.small);
    SmallVector<unsigned, 4> knownAxes;
    if (known)
      for (unsigned dim : known->dims)
        knownAxes.push_back(llvm::find(small.dims, dim) - small.dims.begin());
    forEachIndex(small.sizes, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t, 4> at(offsets);
      for (auto [axis, position] : llvm::zip_equal(axes, index))
        at[axis] += position * strides[axis];
      ClassId id = reader.at(at);
      covered[-id - 1] = true;
      small.classes.push_back(id);
      if (known)
        option.ties.emplace_back(id, MapReader(*known, knownAxes).at(index));
    });
    if (window.invariant || known)
      continue;
    if (state.isUnscaled(window.small)) {
      for (ClassId id : small.classes)
        option.ties.emplace_back(id, kOne);
      continue;
    }
    option.cost += !window.small.use;
    option.scaled.emplace_back(window.small, std::move(small));
  }
  auto tieTo = [&](const Site &site, bool outside) {
    const ScaleMap *known = state.lookup(site);
    if (!known) {
      if (state.isUnscaled(site)) {
        for (int64_t i = 0; i < *count; ++i)
          if (!outside || !covered[i])
            option.ties.emplace_back(big.classes[i], kOne);
        return;
      }
      ScaleMap map = big;
      for (int64_t i = 0; outside && i < *count; ++i)
        if (covered[i])
          map.classes[i] = -++option.fresh; // Overwritten: anything.
      option.cost += !site.use;
      option.scaled.emplace_back(site, std::move(map));
      return;
    }
    SmallVector<unsigned, 4> knownAxes;
    for (unsigned dim : known->dims)
      knownAxes.push_back(axisOf(dim));
    MapReader reader(*known, knownAxes);
    int64_t i = 0;
    forEachIndex(big.sizes, [&](ArrayRef<int64_t> index) {
      if (!outside || !covered[i])
        option.ties.emplace_back(big.classes[i], reader.at(index));
      ++i;
    });
  };
  if (windows.rest) {
    // Where the scale does not vary along what is cut, inside and outside share it.
    bool cutVaries = llvm::any_of(dims, [&](unsigned dim) {
      return windows.windows[0].sizes[dim] != windows.type.getDimSize(dim);
    });
    tieTo(*windows.rest, cutVaries);
  }
  tieTo(windows.big, false);
  return option;
}

Options ptq::channel_scale::optionsForWindows(Operation *op, const State &state,
                                              std::string &reason) {
  if (isa<tensor::ExtractSliceOp>(op) && isScaleInvariant(op->getOperand(0)))
    return {Option()};
  std::optional<Windows> windows = windowsOf(op);
  if (!windows) {
    reason = ("'" + op->getName().getStringRef() + "' pads with a number").str();
    return {};
  }
  // All dimensions of the big tensor over which something known varies, and those that are cut.
  llvm::SmallSetVector<unsigned, 4> varied, cut;
  int exponent = 0;
  bool agree = true;
  auto take = [&](const Site &site, ArrayRef<unsigned> dims) {
    const ScaleMap *known = state.lookup(site);
    if (!known)
      return;
    agree &= exponent == 0 || exponent == known->exponent;
    exponent = known->exponent;
    for (unsigned dim : known->dims)
      varied.insert(dims.empty() ? dim : dims[dim]);
  };
  take(windows->big, {});
  if (windows->rest)
    take(*windows->rest, {});
  for (const Window &window : windows->windows) {
    take(window.small, window.dims);
    for (unsigned dim = 0; dim < windows->type.getRank(); ++dim)
      if (window.sizes[dim] != windows->type.getDimSize(dim) && !windows->type.isDynamicDim(dim))
        cut.insert(dim);
  }
  if (exponent == 0)
    return {Option()};
  if (!agree) {
    reason =
        ("'" + op->getName().getStringRef() + "' would have to take two different scales").str();
    return {};
  }
  Options options;
  auto attempt = [&] {
    SmallVector<unsigned> dims(varied.getArrayRef());
    llvm::sort(dims);
    if (std::optional<Option> option = windowOption(*windows, dims, state, exponent))
      options.push_back(std::move(*option));
  };
  attempt();
  if (!state.lookup(windows->big)) {
    size_t before = varied.size();
    varied.insert_range(cut);
    if (varied.size() > before)
      attempt();
  }
  if (options.empty())
    reason = ("'" + op->getName().getStringRef() + "' cuts the channels at run time").str();
  return options;
}
