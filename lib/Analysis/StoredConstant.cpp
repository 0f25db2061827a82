// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/StoredConstant.h"

#include "ptq/Analysis/LayerNames.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

ElementsAttr ptq::storeElements(RankedTensorType type, AsmResourceBlob data, StringRef key) {
  if (type.getNumElements() == 1)
    return DenseElementsAttr::getFromRawBuffer(type, data.getData());
  auto &manager = DenseResourceElementsHandle::getManagerInterface(type.getContext());
  return DenseResourceElementsAttr::get(type, manager.insert(key, std::move(data)));
}

Value ptq::createConstant(OpBuilder &b, Location loc, ElementsAttr elements, StringRef key) {
  auto constant = arith::ConstantOp::create(b, loc, elements);
  constant->setAttr(kKeyAttr, b.getStringAttr(key));
  return constant;
}
