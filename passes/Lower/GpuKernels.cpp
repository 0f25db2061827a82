// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GpuKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ptq;

void GpuKernels::require(StringRef name, llvm::function_ref<void(gpu::GPUModuleOp)> emit) {
  if (!kernelModule) {
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    std::string symbol = "ptq_kernels";
    for (int i = 0; module.lookupSymbol(symbol); ++i)
      symbol = "ptq_kernels_" + std::to_string(i);
    kernelModule = gpu::GPUModuleOp::create(b, module.getLoc(), symbol);
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
  }
  if (!kernelModule.lookupSymbol(name))
    emit(kernelModule);
}

Value GpuKernels::launch(OpBuilder &b, Location loc, const KernelLaunch &launch,
                         ValueRange operands, RankedTensorType resultType, Value like) {
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  SmallVector<Value> arguments;
  for (Value operand : operands) {
    auto tensor = cast<RankedTensorType>(operand.getType());
    auto buffer = MemRefType::get(tensor.getShape(), tensor.getElementType());
    arguments.push_back(bufferization::ToBufferOp::create(b, loc, buffer, operand,
                                                          /*read_only=*/true));
  }
  SmallVector<Value> dynamicSizes;
  int64_t staticRows = 1;
  for (int64_t d = 0; d + 1 < resultType.getRank(); ++d) {
    if (resultType.isDynamicDim(d))
      dynamicSizes.push_back(tensor::DimOp::create(b, loc, like, d));
    else
      staticRows *= resultType.getDimSize(d);
  }
  // The number of rows, and ceil(rows / blockM) · ceil(columns / blockN) blocks.
  int64_t columnTiles = llvm::divideCeil(launch.columns, launch.tile.blockN);
  Value grid, count;
  if (dynamicSizes.empty()) {
    grid = index(llvm::divideCeil(staticRows, launch.tile.blockM) * columnTiles);
    count = arith::ConstantIntOp::create(b, loc, b.getI32Type(), staticRows);
  } else {
    Value rows = index(staticRows);
    for (Value size : dynamicSizes)
      rows = arith::MulIOp::create(b, loc, rows, size);
    Value rowTiles = arith::CeilDivUIOp::create(b, loc, rows, index(launch.tile.blockM));
    grid = arith::MulIOp::create(b, loc, rowTiles, index(columnTiles));
    count = arith::IndexCastOp::create(b, loc, b.getI32Type(), rows);
  }
  auto buffer = MemRefType::get(resultType.getShape(), resultType.getElementType());
  Value output = memref::AllocOp::create(b, loc, buffer, dynamicSizes, b.getI64IntegerAttr(16));
  arguments.push_back(output);
  arguments.push_back(count);

  Value one = index(1);
  Value shared = arith::ConstantIntOp::create(b, loc, b.getI32Type(), launch.sharedBytes);
  auto symbol = SymbolRefAttr::get(kernelModule.getNameAttr(),
                                   FlatSymbolRefAttr::get(b.getContext(), launch.kernel));
  gpu::LaunchFuncOp::create(b, loc, symbol, gpu::KernelDim3{grid, one, one},
                            gpu::KernelDim3{index(launch.tile.threads()), one, one}, shared,
                            arguments);
  return bufferization::ToTensorOp::create(b, loc, resultType, output, /*restrict=*/true,
                                           /*writable=*/true);
}

int64_t ptq::expectedRows(RankedTensorType type) {
  constexpr int64_t assumed = 128;
  int64_t rows = 1;
  for (int64_t size : type.getShape().drop_back())
    rows *= ShapedType::isDynamic(size) ? assumed : size;
  return rows;
}

StringRef ptq::kernelTypeName(Type type) {
  return type.isF16() ? "f16" : type.isBF16() ? "bf16" : type.isF32() ? "f32" : "";
}

std::optional<std::vector<char>> ptq::constantBytes(Value value) {
  Attribute attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return std::nullopt;
    return std::vector<char>(blob->getData().begin(), blob->getData().end());
  }
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense)
    return std::nullopt;
  ArrayRef<char> raw = dense.getRawData();
  std::vector<char> bytes;
  for (int64_t i = 0; i < (dense.isSplat() ? dense.getNumElements() : 1); ++i)
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  return bytes;
}
