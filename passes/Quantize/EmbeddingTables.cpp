// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "EmbeddingTables.h"

#include "EmbeddingGather.h"
#include "LayerParts.h"
#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/LayerTimes.h"
#include "ptq/Analysis/ModelSize.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Rtn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/ADT/MapVector.h"
#include <chrono>

using namespace mlir;
using namespace ptq;

namespace {

/// A table with all operations of the module that read rows of it.
struct Table {
  std::string name;
  Attribute stored; ///< Its elements, the symbol of its global, or the number of an argument.
  SmallVector<EmbeddingGather> gathers;
};

class EmbeddingTables {
public:
  EmbeddingTables(ModuleOp module, unsigned bits, bool fake)
      : module(module), bits(bits), fake(fake) {}

  llvm::Expected<unsigned> quantize();

private:
  std::vector<Table> collect();
  llvm::Error quantize(Table &table);
  void remarkShared(Location loc, const Table &table, int64_t addedBytes);

  ModuleOp module;
  unsigned bits;
  bool fake;
  unsigned count = 0;
};

} // namespace

/// What tells one table from another.
static Attribute identityOf(Value stored) {
  if (auto constant = stored.getDefiningOp<arith::ConstantOp>())
    return constant.getValue();
  if (auto load = stored.getDefiningOp<ml_program::GlobalLoadConstOp>())
    return load.getGlobalAttr();
  auto number = cast<BlockArgument>(stored).getArgNumber();
  return IntegerAttr::get(IndexType::get(stored.getContext()), number);
}

static std::string nameOf(Value stored) {
  std::string key = parameterKey(stored);
  StringRef name = key;
  name.consume_back(".weight");
  return name.empty() ? "embedding" : name.str();
}

std::vector<Table> EmbeddingTables::collect() {
  llvm::MapVector<Attribute, Table> tables;
  module.walk([&](tensor::ExtractOp extract) {
    std::string reason;
    std::optional<EmbeddingGather> gather = matchEmbedding(extract, reason);
    if (!gather && !reason.empty()) {
      Value stored = storedTable(extract.getTensor());
      mlir::emitRemark(extract->getParentOp()->getLoc())
          << "embedding table" << (stored ? " '" + nameOf(stored) + "'" : std::string())
          << " left in float: " << reason;
    }
    if (!gather)
      return;
    Value stored = storedTable(extract.getTensor());
    Attribute identity = identityOf(stored);
    // Different views of one table are rounded apart.
    Type type = extract.getTensor().getType();
    Table &table = tables[ArrayAttr::get(module.getContext(), {identity, TypeAttr::get(type)})];
    table.name = nameOf(stored);
    table.stored = identity;
    table.gathers.push_back(*gather);
  });
  std::vector<Table> result;
  for (auto &[identity, table] : tables)
    result.push_back(std::move(table));
  return result;
}

/// Whether rounded embeddings alone read the value.
static bool isReadOnlyBy(Value value, const llvm::DenseSet<Operation *> &extracts) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    return extracts.contains(user) ||
           (movesElements(user) && isReadOnlyBy(user->getResult(0), extracts));
  });
}

/// [columns, rows] of [rows, columns].
static std::vector<float> transpose(ArrayRef<float> data, int64_t rows, int64_t columns) {
  std::vector<float> result(data.size());
  for (int64_t i = 0; i != rows; ++i)
    for (int64_t j = 0; j != columns; ++j)
      result[j * rows + i] = data[i * columns + j];
  return result;
}

/// ‖ΔT‖²/‖T‖².
static double relativeError(const numerics::QuantizedWeight &weight, ArrayRef<float> table) {
  std::vector<float> values(table.size());
  numerics::dequantize(weight, numerics::MutableMatrix(values.data(), weight.rows, weight.columns));
  double error = 0, norm = 0;
  for (auto [value, original] : llvm::zip_equal(values, table)) {
    double difference = double(value) - original;
    error += difference * difference;
    norm += double(original) * original;
  }
  return norm > 0 ? error / norm : 0;
}

/// Code `column` of row `row` of packed words, as an 8-bit integer.
static Value unpackCode(OpBuilder &b, Location loc, Value words, Value row, Value column,
                        unsigned bits) {
  auto index = [&](int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); };
  auto word = [&](int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  int64_t codesPerWord = 32 / bits;
  Value at = arith::DivUIOp::create(b, loc, column, index(codesPerWord));
  Value position = arith::RemUIOp::create(b, loc, column, index(codesPerWord));
  Value shift = arith::MulIOp::create(b, loc, position, index(bits));
  shift = arith::IndexCastOp::create(b, loc, b.getI32Type(), shift);
  Value code = tensor::ExtractOp::create(b, loc, words, ValueRange{row, at});
  code = arith::ShRUIOp::create(b, loc, code, shift);
  code = arith::AndIOp::create(b, loc, code, word((1 << bits) - 1));
  code = arith::SubIOp::create(b, loc, code, word(1 << (bits - 1)));
  return arith::TruncIOp::create(b, loc, b.getI8Type(), code);
}

/// A scale for each row, wherever the rows stand in a tensor.
static SchemeAttr rowScheme(MLIRContext *context, unsigned bits) {
  return SchemeAttr::get(context, bits, /*symmetric=*/true, Granularity::PerToken, /*groupSize=*/0,
                         /*dynamic=*/false);
}

namespace {

/// A rounded table as it is stored.
struct StoredRows {
  std::string name, codesKey, scalesKey;
  unsigned bits;
  int64_t rows, width;
  ElementsAttr codes, scales;

  StoredRows(std::string tableName, bool isShared, numerics::QuantizedWeight weight,
             MLIRContext *context)
      : name(std::move(tableName)), scalesKey(name + ".weight_scale"), bits(weight.scheme.bits),
        rows(weight.rows), width(weight.columns) {
    Builder b(context);
    scales = storeElements(RankedTensorType::get({rows}, b.getF32Type()), std::move(weight.scales),
                           scalesKey);
    if (bits == 8) {
      codesKey = name + (isShared ? ".weight_int8" : ".weight");
      codes = storeElements(RankedTensorType::get({rows, width}, b.getI8Type()),
                            std::move(weight.codes), codesKey);
      return;
    }
    codesKey = name + ".weight_packed";
    codes = storeElements(
        RankedTensorType::get({rows, numerics::packedWords(width, bits)}, b.getI32Type()),
        numerics::packCodes(weight.codes, rows, width, bits), codesKey);
  }

  int64_t bytes() const {
    return rows * (bits == 8 ? width : 4 * numerics::packedWords(width, bits)) + rows * 4;
  }
};

} // namespace

/// The floats that `gather` reads, made of the integers.
static DequantizeOp readRounded(const EmbeddingGather &gather, const StoredRows &table) {
  linalg::GenericOp op = gather.op();
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value words = createConstant(b, loc, table.codes, table.codesKey);
  Value scales = createConstant(b, loc, table.scales, table.scalesKey);
  Value codes =
      buildRead(b, gather, /*alongRow=*/true, b.getI8Type(),
                [&](OpBuilder &b, Location loc, Value row, Value column) -> Value {
                  if (table.bits == 8)
                    return tensor::ExtractOp::create(b, loc, words, ValueRange{row, column});
                  return unpackCode(b, loc, words, row, column, table.bits);
                });
  Value rowScales = buildRead(b, gather, /*alongRow=*/false, b.getF32Type(),
                              [&](OpBuilder &b, Location loc, Value row, Value) -> Value {
                                return tensor::ExtractOp::create(b, loc, scales, row);
                              });
  tensor::ExtractOp extract = gather.extract;
  auto type = cast<RankedTensorType>(codes.getType()).clone(extract.getResult().getType());
  return DequantizeOp::create(b, loc, type, codes, rowScales, /*zero_points=*/Value(),
                              rowScheme(b.getContext(), table.bits));
}

/// The whole table, quantized and dequantized.
static DequantizeOp quantizeAndBack(const EmbeddingGather &gather, const StoredRows &table) {
  linalg::GenericOp op = gather.op();
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value floats = gather.table();
  auto type = cast<RankedTensorType>(floats.getType());
  Value scales = createConstant(b, loc, table.scales, table.scalesKey);
  if (type.getRank() > 2) {
    // The rows of a matrix with dimensions of size 1 around it.
    SmallVector<ReassociationIndices> dims(
        1, llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1)));
    scales = tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(type.getShape().drop_back(), b.getF32Type()), scales, dims);
  }
  SchemeAttr scheme = rowScheme(b.getContext(), table.bits);
  Value codes = QuantizeOp::create(b, loc, type.clone(b.getI8Type()), floats, scales,
                                   /*zero_points=*/Value(), /*channel_scales=*/Value(), scheme);
  return DequantizeOp::create(b, loc, type, codes, scales, /*zero_points=*/Value(), scheme);
}

llvm::Error EmbeddingTables::quantize(Table &table) {
  auto start = std::chrono::steady_clock::now();
  auto named = [&](llvm::Error error) {
    return llvm::createStringError("embedding table '" + table.name +
                                   "': " + toString(std::move(error)));
  };
  const EmbeddingGather &first = table.gathers.front();
  Value value = first.table();
  Location loc = first.op().getLoc();
  llvm::Expected<WeightValue> floats = evaluateWeight(value);
  if (!floats)
    return named(floats.takeError());
  auto type = cast<RankedTensorType>(value.getType());
  int64_t rows = type.getDimSize(first.rowDim), width = type.getDimSize(first.columnDim);
  bool isTransposed = first.rowDim > first.columnDim;
  if (fake && (isTransposed || first.columnDim + 1 != type.getRank())) {
    mlir::emitRemark(loc) << "embedding table '" << table.name
                          << "' left in float: its rows do not lie along its last dimension, "
                             "which fake=true has no form for";
    return llvm::Error::success();
  }
  std::vector<float> storage;
  ArrayRef<float> data = floats->data;
  if (isTransposed)
    data = storage = transpose(data, width, rows);

  numerics::WeightScheme scheme;
  scheme.bits = bits;
  scheme.granularity = numerics::Granularity::PerChannel;
  scheme.symmetricRange =
      bits == 8 ? numerics::SymmetricRange::Restricted : numerics::SymmetricRange::Full;
  auto weight = numerics::quantizeRtn(numerics::ConstMatrix(data.data(), rows, width), scheme);
  if (!weight)
    return named(weight.takeError());
  double error = relativeError(*weight, data);

  llvm::DenseSet<Operation *> extracts;
  for (const EmbeddingGather &gather : table.gathers)
    extracts.insert(gather.extract);
  bool isShared = false;
  module.walk([&](Operation *op) {
    if (isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
      isShared |=
          identityOf(op->getResult(0)) == table.stored && !isReadOnlyBy(op->getResult(0), extracts);
  });
  StoredRows rowsOf(table.name, isShared, std::move(*weight), module.getContext());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  LayerTimes::record(module.getContext(), table.name, seconds);
  for (const EmbeddingGather &gather : table.gathers) {
    DequantizeOp result = fake ? quantizeAndBack(gather, rowsOf) : readRounded(gather, rowsOf);
    Builder b(module.getContext());
    result->setAttr(kEmbeddingAttr,
                    b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(table.name)),
                                         b.getNamedAttr("shape", b.getI64ArrayAttr({rows, width})),
                                         b.getNamedAttr("error", b.getF64FloatAttr(error))}));
    if (fake) {
      tensor::ExtractOp(gather.extract).getTensorMutable().assign(result.getX());
      continue;
    }
    Value read = gather.table();
    replaceRead(gather, result.getX());
    eraseIfUnused(read);
  }
  ++count;
  if (isShared && !fake)
    remarkShared(loc, table, rowsOf.bytes());
  return llvm::Error::success();
}

void EmbeddingTables::remarkShared(Location loc, const Table &table, int64_t addedBytes) {
  std::string reader;
  module.walk([&](LinearOp layer) {
    Value weight = storedTable(layer.getWeight());
    if (weight && identityOf(weight) == table.stored)
      reader = layer.getLayerName();
  });
  InFlightDiagnostic remark = mlir::emitRemark(loc);
  remark << "embedding table '" << table.name << "' stays in float too, as ";
  if (reader.empty())
    remark << "something else reads it";
  else
    remark << "layer '" << reader << "' reads it";
  remark << ": the model grows by " << addedBytes << " bytes";
  if (!reader.empty())
    remark << "; with that layer rounded too (only=…) the float table goes";
}

llvm::Expected<unsigned> EmbeddingTables::quantize() {
  for (Table &table : collect())
    if (llvm::Error error = quantize(table))
      return std::move(error);
  return count;
}

llvm::Error ptq::checkEmbeddingBits(unsigned bits) {
  if (bits == 0 || bits == 4 || bits == 8)
    return llvm::Error::success();
  return llvm::createStringError("embeddings is 8, 4, or 0 for none, not " + Twine(bits));
}

llvm::Expected<unsigned> ptq::quantizeEmbeddings(ModuleOp module, unsigned bits, bool fake) {
  if (llvm::Error error = checkEmbeddingBits(bits))
    return std::move(error);
  return bits ? EmbeddingTables(module, bits, fake).quantize() : 0;
}
