// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GpuKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
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

Value ptq::createRowCount(OpBuilder &b, Location loc, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  int64_t staticRows = 1;
  Value rows;
  for (int64_t d = 0; d + 1 < type.getRank(); ++d) {
    if (!type.isDynamicDim(d)) {
      staticRows *= type.getDimSize(d);
      continue;
    }
    Value size = tensor::DimOp::create(b, loc, tensor, d);
    rows = rows ? arith::MulIOp::create(b, loc, rows, size).getResult() : size;
  }
  Value factor = arith::ConstantIndexOp::create(b, loc, staticRows);
  if (!rows || staticRows == 1)
    return rows ? rows : factor;
  return arith::MulIOp::create(b, loc, rows, factor);
}

std::string ptq::nameForRemark(Operation *op) {
  if (auto layer = dyn_cast<LayerOpInterface>(op))
    return "layer '" + layer.getLayerName().str() + "'";
  return "'" + op->getName().getStringRef().str() + "'";
}

void GpuKernels::explain(Operation *op, const kernels::GemmProblem &problem,
                         const kernels::TileChoice &choice) {
  if (!explains)
    return;
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernels::explain(stream, chip, problem, choice);
  emitRemark(op->getLoc()) << nameForRemark(op) << " on " << text;
}

SmallVector<Value, 2> GpuKernels::createWorkspace(OpBuilder &b, Location loc,
                                                  const kernels::GemmTile &tile, Value tiles) {
  Type word = b.getI32Type();
  int64_t tileWords = kernels::Workspace::sumBytesPerTile(tile) / 4;
  std::optional<int64_t> count = getConstantIntValue(tiles);
  IntegerAttr alignment = b.getI64IntegerAttr(16);
  Value sums;
  if (count) {
    auto type = MemRefType::get({*count * tileWords}, word);
    sums = memref::AllocOp::create(b, loc, type, alignment);
  } else {
    Value factor = arith::ConstantIndexOp::create(b, loc, tileWords);
    Value words = arith::MulIOp::create(b, loc, tiles, factor);
    auto type = MemRefType::get({ShapedType::kDynamic}, word);
    sums = memref::AllocOp::create(b, loc, type, words, alignment);
  }

  auto zeros = [&](OpFoldResult size) -> Value {
    Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
    Value empty = tensor::EmptyOp::create(b, loc, ArrayRef<OpFoldResult>(size), word);
    Value filled = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
    auto type = cast<RankedTensorType>(filled.getType());
    return bufferization::ToBufferOp::create(b, loc, MemRefType::get(type.getShape(), word),
                                             filled);
  };
  if (!count)
    return {sums, zeros(tiles)};
  Value &shared = counters[{b.getInsertionBlock(), *count}];
  if (!shared) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.getInsertionBlock());
    shared = zeros(b.getIndexAttr(*count));
  }
  return {sums, shared};
}

Value GpuKernels::launch(OpBuilder &b, Location loc, const KernelLaunch &launch,
                         ValueRange operands, RankedTensorType resultType, Value like) {
  // ceil(rows / blockM) · ceil(columns / blockN) blocks.
  Value rows = createRowCount(b, loc, like);
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  int64_t columnTiles = llvm::divideCeil(launch.columns, launch.tile.blockN);
  Value rowTiles = b.createOrFold<arith::CeilDivUIOp>(loc, rows, index(launch.tile.blockM));
  Value blocks = b.createOrFold<arith::MulIOp>(loc, rowTiles, index(columnTiles));
  Value count = b.createOrFold<arith::IndexCastOp>(loc, b.getI32Type(), rows);
  SmallVector<Value> numbers{count};
  llvm::append_range(numbers, launch.numbers);
  if (launch.tile.splits > 1) {
    llvm::append_range(numbers, createWorkspace(b, loc, launch.tile, blocks));
    blocks = b.createOrFold<arith::MulIOp>(loc, blocks, index(launch.tile.splits));
  }
  KernelGrid grid{launch.kernel, blocks, launch.tile.threads(), launch.sharedBytes, {}};
  return this->launch(b, loc, grid, operands, {resultType}, like, numbers).front();
}

SmallVector<Value> GpuKernels::launch(OpBuilder &b, Location loc, const KernelGrid &grid,
                                      ValueRange operands, ArrayRef<RankedTensorType> resultTypes,
                                      Value like, ValueRange numbers) {
  SmallVector<Value> arguments, outputs;
  for (Value operand : operands) {
    auto tensor = dyn_cast<RankedTensorType>(operand.getType());
    if (!tensor) {
      arguments.push_back(operand);
      continue;
    }
    auto buffer = MemRefType::get(tensor.getShape(), tensor.getElementType());
    arguments.push_back(bufferization::ToBufferOp::create(b, loc, buffer, operand,
                                                          /*read_only=*/true));
  }
  for (RankedTensorType type : resultTypes) {
    SmallVector<Value> sizes;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        sizes.push_back(grid.sizes.empty()
                            ? tensor::DimOp::create(b, loc, like, d).getResult()
                            : getValueOrCreateConstantIndexOp(b, loc, grid.sizes[d]));
    auto buffer = MemRefType::get(type.getShape(), type.getElementType());
    outputs.push_back(memref::AllocOp::create(b, loc, buffer, sizes, b.getI64IntegerAttr(16)));
  }
  arguments.append(outputs);
  arguments.append(numbers.begin(), numbers.end());

  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value threads = arith::ConstantIndexOp::create(b, loc, grid.threads);
  Value shared = arith::ConstantIntOp::create(b, loc, b.getI32Type(), grid.sharedBytes);
  auto symbol = SymbolRefAttr::get(kernelModule.getNameAttr(),
                                   FlatSymbolRefAttr::get(b.getContext(), grid.kernel));
  gpu::LaunchFuncOp::create(b, loc, symbol, gpu::KernelDim3{grid.blocks, one, one},
                            gpu::KernelDim3{threads, one, one}, shared, arguments);
  SmallVector<Value> results;
  for (auto [type, output] : llvm::zip_equal(resultTypes, outputs))
    results.push_back(bufferization::ToTensorOp::create(b, loc, type, output, /*restrict=*/true,
                                                        /*writable=*/true));
  return results;
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
