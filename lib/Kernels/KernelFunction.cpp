// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelFunction.h"

using namespace mlir;
using namespace ptq::kernels;

gpu::GPUFuncOp ptq::kernels::createKernel(gpu::GPUModuleOp module, StringRef name,
                                          ArrayRef<Argument> arguments, int64_t threads) {
  MLIRContext *context = module.getContext();
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto global = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> types;
  for (Argument argument : arguments)
    types.push_back(argument == Argument::Number ? Type(b.getI32Type()) : Type(global));
  auto function =
      gpu::GPUFuncOp::create(b, module.getLoc(), name, b.getFunctionType(types, TypeRange()));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  function.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    if (argument == Argument::Number)
      continue;
    function.setArgAttr(index, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(16));
    if (argument != Argument::Shared)
      function.setArgAttr(index, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    if (argument == Argument::Input)
      function.setArgAttr(index, LLVM::LLVMDialect::getReadonlyAttrName(), b.getUnitAttr());
  }
  return function;
}

Value ptq::kernels::dynamicShared(KernelBuilder &k, gpu::GPUModuleOp module) {
  constexpr StringLiteral symbol = "ptq_dynamic_shared";
  if (!module.lookupSymbol(symbol)) {
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
    LLVM::GlobalOp::create(b, module.getLoc(), type, /*isConstant=*/false, LLVM::Linkage::External,
                           symbol, Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
  }
  return LLVM::AddressOfOp::create(k, k.sharedPointer(), symbol);
}

TileOrigin ptq::kernels::tileOrigin(KernelBuilder &k, const GemmTile &tile, Value rowCount,
                                    int64_t columnCount) {
  return tileOrigin(k, tile, k.blockId(), rowCount, k.i32(columnCount));
}

TileOrigin ptq::kernels::tileOrigin(KernelBuilder &k, const GemmTile &tile, Value number,
                                    Value rowCount, Value columnCount) {
  constexpr int64_t groupRows = 8;
  Value columnTiles = k.div(k.add(columnCount, tile.blockN - 1), tile.blockN);
  Value groupTiles = k.mul(columnTiles, groupRows);
  Value rowTiles = k.div(k.add(rowCount, tile.blockM - 1), tile.blockM);
  Value group = k.div(number, groupTiles);
  Value within = k.sub(number, k.mul(group, groupTiles));
  Value firstRow = k.mul(group, groupRows);
  Value height = k.minimum(k.sub(rowTiles, firstRow), k.i32(groupRows));
  Value column = k.div(within, height);
  Value row = k.add(firstRow, k.sub(within, k.mul(column, height)));
  return {k.mul(row, tile.blockM), k.mul(column, tile.blockN)};
}
