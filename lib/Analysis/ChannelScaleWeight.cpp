// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaleWeight.h"

#include "ChannelScaleState.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/Analysis/WeightValue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

/// The stored data of a parameter; null if it has none here.
static ElementsAttr storedData(Value root) {
  Attribute value;
  if (matchPattern(root, m_Constant(&value)))
    return dyn_cast<ElementsAttr>(value);
  if (auto load = root.getDefiningOp<ml_program::GlobalLoadConstOp>())
    if (auto global =
            SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobal());
        global && global.getValue())
      return dyn_cast<ElementsAttr>(*global.getValue());
  return {};
}

/// `edit` over dimensions of an operand, as one over those of the parameter it was made of; nothing
/// if they do not correspond one to one.
static std::optional<ConstantEdit> toRoot(const ConstantEdit &edit, const ParameterSource &source,
                                          RankedTensorType operandType) {
  auto rootType = cast<RankedTensorType>(source.root.getType());
  if (rootType.getNumElements() != operandType.getNumElements())
    return std::nullopt; // A broadcast or a dequantization.
  SmallVector<std::optional<unsigned>> rootDim(operandType.getRank());
  for (auto [dim, operandDims] : llvm::enumerate(source.dimensions)) {
    if (operandDims.size() > 1)
      return std::nullopt;
    for (unsigned operandDim : operandDims)
      if (rootType.getDimSize(dim) == operandType.getDimSize(operandDim))
        rootDim[operandDim] = dim;
  }
  ConstantEdit result{{}, edit.shift};
  for (Factors factors : edit.factors) {
    if (factors.dims.size() > 1 || (factors.dims.size() == 1 && !rootDim[factors.dims[0]]))
      return std::nullopt;
    for (unsigned &dim : factors.dims)
      dim = *rootDim[dim];
    result.factors.push_back(std::move(factors));
  }
  return result;
}

void ParameterRewriter::add(OpOperand &use, ConstantEdit edit, std::string cloneKey) {
  requests.push_back({&use, std::move(edit), std::move(cloneKey), Value(), {}, true});
}

void ParameterRewriter::resolve(Request &request) {
  Value value = request.use->get();
  request.root = value;
  if (isRewritable(value))
    return;
  ParameterSource source = traceToRoot(value);
  std::optional<ConstantEdit> edit =
      isRewritable(source.root)
          ? toRoot(request.edit, source, cast<RankedTensorType>(value.getType()))
          : std::nullopt;
  if (!edit)
    return; // What the operand is will be evaluated and stored as it is.
  request.root = source.root;
  request.edit = std::move(*edit);
  for (; value != source.root; value = request.chain.front()->getOperand(0)) {
    request.exclusive &= value.hasOneUse();
    request.chain.insert(request.chain.begin(), value.getDefiningOp());
  }
}

/// `base`, or `base`@2, …: a key that no parameter of the module has.
static std::string uniqueKey(Operation *anchor, const std::string &base) {
  Operation *module = anchor;
  while (module->getParentOp())
    module = module->getParentOp();
  llvm::StringSet<> taken;
  module->walk([&](Operation *op) {
    if (auto key = op->getAttrOfType<StringAttr>(kKeyAttr))
      taken.insert(key.getValue());
    if (auto function = dyn_cast<FunctionOpInterface>(op))
      for (unsigned i = 0; i < function.getNumArguments(); ++i)
        if (auto key = function.getArgAttrOfType<StringAttr>(i, kParameterAttr))
          taken.insert(key.getValue());
  });
  std::string key = base;
  for (unsigned n = 2; taken.contains(key); ++n)
    key = base + "@" + std::to_string(n);
  return key;
}

llvm::Error ParameterRewriter::compute(Product &product, bool keepsKey) {
  std::string name = parameterKey(product.root);
  const Request &first = *product.requests.front();
  auto named = [&](llvm::Error error) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "the parameter '" + (name.empty() ? first.cloneKey : name) +
                                       "' cannot be rescaled: " + toString(std::move(error)));
  };
  product.key = name;
  if (!keepsKey) {
    product.key = first.cloneKey.empty() ? name : first.cloneKey;
    if (!product.key.empty())
      product.key = uniqueKey(first.use->getOwner(), product.key);
  }
  llvm::Expected<ElementsAttr> data = ElementsAttr();
  if (!isRewritable(product.root)) {
    llvm::Expected<WeightValue> value = evaluateWeight(product.root);
    if (!value)
      return named(value.takeError());
    data = editElements(value->data, cast<RankedTensorType>(product.root.getType()), product.edit,
                        product.key);
  } else if (ElementsAttr stored = storedData(product.root)) {
    if (llvm::Error problem = checkReadable(stored))
      return named(std::move(problem));
    data = editElements(stored, product.edit, product.key);
  } else {
    return named(
        llvm::createStringError(llvm::inconvertibleErrorCode(),
                                "its data is not here; bind the weights with --load-parameters"));
  }
  if (!data)
    return named(data.takeError());
  product.data = *data;
  return llvm::Error::success();
}

llvm::Error ParameterRewriter::compute() {
  for (Request &request : requests) {
    resolve(request);
    auto product = llvm::find_if(products, [&](const Product &product) {
      return product.root == request.root && product.edit == request.edit;
    });
    if (product == products.end()) {
      products.push_back({request.root, request.edit, {}, {}, ""});
      product = std::prev(products.end());
    }
    product->requests.push_back(&request);
  }
  for (Product &product : products) {
    // If nobody reads the old parameter any more, the new one takes its name.
    size_t changed = llvm::count_if(product.requests, [](Request *r) { return r->exclusive; });
    size_t uses = std::distance(product.root.use_begin(), product.root.use_end());
    bool keepsKey = isRewritable(product.root) && changed == uses;
    if (llvm::Error problem = compute(product, keepsKey))
      return problem;
  }
  return llvm::Error::success();
}

/// Erases what computes a value that nobody reads, and what only that needed.
static void eraseIfDead(Operation *op) {
  if (!op || !op->use_empty() || !isMemoryEffectFree(op))
    return;
  SmallVector<Value> operands(op->getOperands());
  op->erase();
  for (Value operand : operands)
    eraseIfDead(operand.getDefiningOp());
}

void ParameterRewriter::commit() {
  for (Product &product : products) {
    Operation *definition = product.root.getDefiningOp();
    OpBuilder builder(definition->getContext());
    builder.setInsertionPointAfter(definition);
    auto constant = arith::ConstantOp::create(builder, product.root.getLoc(), product.data);
    bool isConstant = isa<arith::ConstantOp>(definition);
    if (isConstant)
      constant->setDiscardableAttrs(definition->getDiscardableAttrDictionary());
    constant->removeAttr(kMappedAttr);
    // Constants that had no name need none.
    if ((!isConstant || definition->hasAttr(kKeyAttr)) && !product.key.empty())
      constant->setAttr(kKeyAttr, builder.getStringAttr(product.key));
    for (Request *request : product.requests) {
      if (request->chain.empty()) {
        request->use->set(constant);
      } else if (request->exclusive) {
        request->chain.front()->setOperand(0, constant);
      } else {
        IRMapping mapping;
        mapping.map(product.root, constant.getResult());
        Operation *clone = nullptr;
        for (Operation *op : request->chain) {
          OpBuilder after(op->getContext());
          after.setInsertionPointAfter(op);
          clone = after.clone(*op, mapping);
        }
        request->use->set(clone->getResult(0));
        eraseIfDead(request->chain.back());
      }
    }
    eraseIfDead(definition);
  }
  requests.clear();
  products.clear();
}
