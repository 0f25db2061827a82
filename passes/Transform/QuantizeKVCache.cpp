// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A KV cache in int8, with a scale for each token and head:
//
//   cache [b, h, t, d], new [b, h, 1, d]          codes [b, h, t, d] int8, scales [b, h, t]
//   extended = concat(cache, new)           →     (q, s) = dynamic_quantize(new)
//   … attention reads extended …                  codes' = concat(codes, q), scales' =
//   concat(scales, s) return …, extended                            … attention reads
//   dequantize(codes', scales') …
//                                                 return …, codes', scales'
//
// A token is rounded once, when it is added: codes of earlier calls pass through as they are, so
// that errors do not add up from step to step.

#include "KVCache.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Execution/Samples.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Transform/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/Regex.h"

namespace ptq {
#define GEN_PASS_DEF_QUANTIZEKVCACHE
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// A float tensor as integers, and the scales of their rows.
struct Quantized {
  Value codes, scales;
};

/// Rewrites one cache. Its argument has its new type already, and its scales are an argument.
class CacheRewriter {
public:
  CacheRewriter(const KVCache &cache, Value scales) : cache(cache) {
    Type element = getElementTypeOrSelf(scales.getType());
    scaleType = element;
    known[cache.argument] = {cache.argument, scales};
    scheme = SchemeAttr::get(scales.getContext(), 8, /*symmetric=*/true, Granularity::PerToken, 0,
                             /*dynamic=*/true);
  }

  /// The extension in integers. What was added to it can be looked up afterwards.
  Quantized rewrite() {
    for (Operation *op : cache.chain) {
      OpBuilder b(op);
      if (auto concat = dyn_cast<tensor::ConcatOp>(op))
        known[concat.getResult()] = concatenate(b, concat);
      else
        known[op->getResult(0)] = insert(b, cast<tensor::InsertSliceOp>(op));
    }
    return known[cache.extension()];
  }

  /// The integers of a value that is the extension or was added, perhaps under casts; null for any
  /// other.
  Quantized lookup(OpBuilder &b, Value value) {
    if (auto it = known.find(value); it != known.end())
      return it->second;
    auto cast = value.getDefiningOp<tensor::CastOp>();
    if (!cast)
      return {};
    Quantized source = lookup(b, cast.getSource());
    return source.codes ? castTo(b, source, cast.getType()) : Quantized{};
  }

private:
  RankedTensorType codesType(Type type) const {
    return mlir::cast<RankedTensorType>(type).clone(IntegerType::get(type.getContext(), 8));
  }
  RankedTensorType scalesType(Type type) const {
    return RankedTensorType::get(mlir::cast<RankedTensorType>(type).getShape().drop_back(),
                                 scaleType);
  }
  Quantized castTo(OpBuilder &b, Quantized source, Type type) {
    Location loc = source.codes.getLoc();
    return {tensor::CastOp::create(b, loc, codesType(type), source.codes),
            tensor::CastOp::create(b, loc, scalesType(type), source.scales)};
  }

  /// A value that is an operand of the chain, in integers.
  Quantized quantize(OpBuilder &b, Value value) {
    if (auto it = known.find(value); it != known.end())
      return it->second;
    Location loc = value.getLoc();
    auto type = mlir::cast<RankedTensorType>(value.getType());
    if (auto cast = value.getDefiningOp<tensor::CastOp>())
      if (Quantized source = lookup(b, cast); source.codes)
        return source;
    SmallVector<OpFoldResult> sizes;
    if (auto empty = value.getDefiningOp<tensor::EmptyOp>())
      sizes = empty.getMixedSizes();
    if (auto fill = value.getDefiningOp<linalg::FillOp>(); fill && isBase(value))
      sizes = tensor::getMixedSizes(b, loc, fill.getOutputs()[0]);
    if (!sizes.empty()) {
      // Integers for what is not written, too: zeros with scales of 0.
      return {zeros(b, loc, sizes, b.getI8Type()),
              zeros(b, loc, ArrayRef(sizes).drop_back(), scaleType)};
    }
    auto op = DynamicQuantizeOp::create(b, loc, TypeRange{codesType(type), scalesType(type)}, value,
                                        b.getNamedAttr("scheme", scheme));
    return known[value] = {op.getQ(), op.getScales()};
  }
  bool isBase(Value value) const {
    auto insert = dyn_cast<tensor::InsertSliceOp>(cache.chain.front());
    return insert && insert.getDest() == value;
  }
  static Value zeros(OpBuilder &b, Location loc, ArrayRef<OpFoldResult> sizes, Type type) {
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type);
    return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  }

  Quantized concatenate(OpBuilder &b, tensor::ConcatOp concat) {
    SmallVector<Value> codes, scales;
    for (Value input : concat.getInputs()) {
      Quantized part = quantize(b, input);
      codes.push_back(part.codes);
      scales.push_back(part.scales);
    }
    Type type = concat.getResultType();
    return {
        tensor::ConcatOp::create(b, concat.getLoc(), codesType(type), concat.getDim(), codes),
        tensor::ConcatOp::create(b, concat.getLoc(), scalesType(type), concat.getDim(), scales)};
  }

  Quantized insert(OpBuilder &b, tensor::InsertSliceOp insert) {
    Location loc = insert.getLoc();
    Quantized source = quantize(b, insert.getSource()), dest = quantize(b, insert.getDest());
    SmallVector<OpFoldResult> offsets = insert.getMixedOffsets(), sizes = insert.getMixedSizes(),
                              strides = insert.getMixedStrides();
    Value codes =
        tensor::InsertSliceOp::create(b, loc, source.codes, dest.codes, offsets, sizes, strides);
    for (auto *list : {&offsets, &sizes, &strides})
      list->pop_back();
    Value scales =
        tensor::InsertSliceOp::create(b, loc, source.scales, dest.scales, offsets, sizes, strides);
    return {codes, scales};
  }

  const KVCache &cache;
  Type scaleType;
  SchemeAttr scheme;
  llvm::DenseMap<Value, Quantized> known;
};

struct QuantizeKVCachePass : ptq::impl::QuantizeKVCacheBase<QuantizeKVCachePass> {
  using QuantizeKVCacheBase::QuantizeKVCacheBase;

  void runOnOperation() override {
    if (llvm::Error error = run()) {
      mlir::emitError(getOperation().getLoc(), "quantize-kv-cache: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error run();
  llvm::Expected<std::vector<KVCache>> findCaches(func::FuncOp function);
  void nameAll(func::FuncOp function, ArrayRef<KVCache> caches);
  void rewrite(func::FuncOp function, const KVCache &cache);

  bool declinedAny = false;
};

} // namespace

llvm::Expected<std::vector<KVCache>> QuantizeKVCachePass::findCaches(func::FuncOp function) {
  llvm::Regex pattern(inputs.empty() ? "." : StringRef(inputs));
  std::string invalid;
  if (!pattern.isValid(invalid))
    return llvm::createStringError("inputs='" + inputs + "' is no regular expression: " + invalid);
  declinedAny = false;
  ParameterAnalysis parameters(function);
  std::vector<KVCache> caches;
  bool matchesAny = false;
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    std::string name = execution::getArgumentName(function, number), reason;
    if (function.getArgAttr(number, kParameterAttr) || !pattern.match(name))
      continue;
    matchesAny = true;
    if (std::optional<KVCache> cache = matchKVCache(argument, parameters, reason)) {
      caches.push_back(std::move(*cache));
    } else if (!reason.empty()) {
      mlir::emitRemark(argument.getLoc()) << "KV cache '" << name << "' left in float: " << reason;
      declinedAny = true;
      ++numDeclined;
    }
  }
  if (!inputs.empty() && !matchesAny)
    return llvm::createStringError("inputs='" + inputs + "' matches no input's name");
  return caches;
}

/// Arguments and results without a name are called after their positions, which are about to move:
/// that becomes their name. A cache that is returned without a name has that of its input.
void QuantizeKVCachePass::nameAll(func::FuncOp function, ArrayRef<KVCache> caches) {
  auto attribute = [&](const std::string &name) { return StringAttr::get(&getContext(), name); };
  for (unsigned i = 0; i != function.getNumArguments(); ++i)
    if (!function.getArgAttr(i, kParameterAttr))
      function.setArgAttr(i, kInputAttr, attribute(execution::getArgumentName(function, i)));
  Operation *terminator = function.getBody().front().getTerminator();
  for (unsigned i = 0, n = function.getNumResults(); i != n; ++i) {
    std::string name = execution::getResultName(function, i);
    Value value = terminator->getOperand(i);
    while (auto cast = value.getDefiningOp<tensor::CastOp>())
      value = cast.getSource();
    for (const KVCache &cache : caches)
      if (value == cache.extension() && !function.getResultAttr(i, kOutputAttr))
        name = execution::getArgumentName(function, cache.argument.getArgNumber());
    function.setResultAttr(i, kOutputAttr, attribute(name));
  }
}

/// Erases the casts of what was a float argument; its sizes are its own.
static void eraseAliases(BlockArgument argument) {
  SmallVector<Value> aliases = aliasesOf(argument);
  for (Value alias : llvm::reverse(ArrayRef(aliases).drop_front())) {
    if (!isa<FloatType>(getElementTypeOrSelf(alias.getType())))
      continue;
    for (OpOperand &use : llvm::make_early_inc_range(alias.getUses()))
      use.set(argument);
    alias.getDefiningOp()->erase();
  }
}

void QuantizeKVCachePass::rewrite(func::FuncOp function, const KVCache &cache) {
  MLIRContext *context = &getContext();
  BlockArgument argument = cache.argument;
  unsigned number = argument.getArgNumber();
  auto type = cast<RankedTensorType>(argument.getType());
  Type f32 = Float32Type::get(context);
  auto scaleType = RankedTensorType::get(
      type.getShape().drop_back(), type.getElementType().isF64() ? type.getElementType() : f32);
  std::string name = execution::getArgumentName(function, number);
  NamedAttribute scaleName(kInputAttr, StringAttr::get(context, name + "_scale"));
  (void)function.insertArgument(number + 1, scaleType, DictionaryAttr::get(context, scaleName),
                                argument.getLoc());
  argument.setType(type.clone(IntegerType::get(context, 8)));
  auto scheme = SchemeAttr::get(context, 8, /*symmetric=*/true, Granularity::PerToken, 0,
                                /*dynamic=*/true);
  function.setArgAttr(number, execution::kQuantizedInputAttr, scheme);

  CacheRewriter rewriter(cache, function.getArgument(number + 1));
  Quantized extended = rewriter.rewrite();
  Operation *last = cache.chain.back();
  auto terminator = cast<func::ReturnOp>(function.getBody().front().getTerminator());
  OpBuilder b(terminator);
  std::string returned;
  for (unsigned i = 0; i != terminator.getNumOperands(); ++i) {
    Quantized result = rewriter.lookup(b, terminator.getOperand(i));
    if (!result.codes)
      continue;
    std::string resultName = execution::getResultName(function, i);
    NamedAttribute attribute(kOutputAttr, StringAttr::get(context, resultName + "_scale"));
    (void)function.insertResult(i + 1, result.scales.getType(),
                                DictionaryAttr::get(context, attribute));
    terminator->setOperand(i, result.codes);
    terminator->insertOperands(i + 1, result.scales);
    returned += (returned.empty() ? ", returned as '" : ", '") + resultName + "'";
    ++i;
  }
  function.setFunctionType(FunctionType::get(context, function.getBody().getArgumentTypes(),
                                             terminator.getOperandTypes()));

  b.setInsertionPointAfter(last);
  auto floats =
      DequantizeOp::create(b, last->getLoc(), last->getResult(0).getType(), extended.codes,
                           extended.scales, /*zero_points=*/Value(), scheme);
  last->getResult(0).replaceAllUsesWith(floats.getX());
  for (Operation *op : llvm::reverse(cache.chain))
    op->erase();
  eraseAliases(argument);
  if (floats.getX().use_empty())
    floats.erase();
  mlir::emitRemark(argument.getLoc())
      << "KV cache '" << name << "' in int8 with scales '" << name << "_scale'" << returned;
  ++numQuantized;
}

llvm::Error QuantizeKVCachePass::run() {
  ModuleOp module = getOperation();
  // Statistics that were asked for are of the float model.
  if (llvm::Error error = ensureStatistics(module))
    return error;
  llvm::Expected<func::FuncOp> function = findFunction(module, this->function);
  if (!function)
    return function.takeError();
  if (!function->getBody().hasOneBlock() ||
      !isa<func::ReturnOp>(function->getBody().front().getTerminator()))
    return llvm::createStringError("function @" + function->getSymName() +
                                   " has several blocks; only straight code is rewritten");
  llvm::Expected<std::vector<KVCache>> caches = findCaches(*function);
  if (!caches)
    return caches.takeError();
  if (caches->empty() && !declinedAny)
    mlir::emitRemark(function->getLoc())
        << "function @" << function->getSymName()
        << " has no KV cache to quantize: no float input that a computed value extends and that is "
           "returned, or multiplied with another activation";
  if (caches->empty())
    return llvm::Error::success();
  if (!SymbolTable::symbolKnownUseEmpty(*function, module))
    return llvm::createStringError("function @" + function->getSymName() +
                                   " is called in the module; its type cannot change");
  nameAll(*function, *caches);
  for (const KVCache &cache : *caches)
    rewrite(*function, cache);
  return llvm::Error::success();
}
