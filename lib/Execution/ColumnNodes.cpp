// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.outlier_columns, ptq.select_columns, ptq.drop_columns and ptq.clear_columns. Which columns
// are outliers is seen in each sample by itself.
//
#include "Elements.h"
#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/OutlierColumns.h"
#include "ptq/Numerics/Threads.h"

using namespace mlir;

namespace ptq::execution {

/// Rows of about this many bytes are one task.
static constexpr int64_t bytesPerTask = 1 << 16;

namespace {

class OutlierColumnsNode : public Node {
public:
  OutlierColumnsNode(OutlierColumnsOp op, ValueTable &values) : Node(op) {
    reads = {values.id(op.getX())};
    writes = {values.id(op.getColumns())};
  }
  llvm::Error run(ArrayRef<Frame *> frames) override;
};

/// Runs of neighbouring columns that are copied from x to y.
struct ColumnRun {
  int64_t from, to, count;
};

class CopyColumnsNode : public Node {
public:
  CopyColumnsNode(Operation *op, ValueTable &values) : Node(op) {
    for (Value operand : op->getOperands())
      reads.push_back(values.id(operand));
    writes = {values.id(op->getResult(0))};
  }
  llvm::Error run(ArrayRef<Frame *> frames) override;
};

} // namespace

llvm::Error OutlierColumnsNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor x = frame.written(reads[0]);
  auto outliers = cast<OutlierColumnsOp>(op);
  double threshold = outliers.getThreshold().convertToDouble();
  int64_t width = x.type.getShape().back();
  int64_t rows = width ? x.numElements() / width : 0;
  std::vector<int32_t> columns;
  if (x.type.getElementType().isF64()) {
    std::vector<double> values = readDoubles(x);
    for (int64_t k = 0; k != width; ++k)
      for (int64_t i = 0; i != rows; ++i)
        if (!(std::abs(values[i * width + k]) < threshold)) {
          columns.push_back(k);
          break;
        }
  } else {
    std::vector<float> storage;
    columns = numerics::findOutlierColumns(
        numerics::ConstMatrix(viewFloats(x, storage).data(), rows, width), threshold);
  }
  int64_t declared = outliers.getColumns().getType().getDimSize(0);
  int64_t count = columns.size();
  if (!ShapedType::isDynamic(declared) && declared != count)
    return errorAt(op, "finds " + Twine(count) + " columns, its type says " + Twine(declared));
  auto type = withShape(outliers.getColumns().getType(), {count});
  char *to = frame.allocate(writes[0], type);
  llvm::copy(columns, reinterpret_cast<int32_t *>(to));
  return llvm::Error::success();
}

/// What each operation copies of `width` columns; `named` ascends.
static std::vector<ColumnRun> runsOf(Operation *op, ArrayRef<int32_t> named, int64_t width) {
  std::vector<ColumnRun> runs;
  auto add = [&](int64_t from, int64_t to, int64_t count) {
    if (count == 0)
      return;
    if (!runs.empty() && runs.back().from + runs.back().count == from &&
        runs.back().to + runs.back().count == to)
      runs.back().count += count;
    else
      runs.push_back({from, to, count});
  };
  if (isa<SelectColumnsOp>(op)) {
    for (auto [to, from] : llvm::enumerate(named))
      add(from, to, 1);
    return runs;
  }
  bool drops = isa<DropColumnsOp>(op);
  int64_t next = 0;
  for (auto [dropped, column] : llvm::enumerate(named)) {
    add(next, drops ? next - dropped : next, column - next);
    next = column + 1;
  }
  add(next, drops ? next - named.size() : next, width - next);
  return runs;
}

llvm::Error CopyColumnsNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor x = frame.written(reads[0]);
  Tensor columns = frame.written(reads[1]);
  ArrayRef<int32_t> named = columns.as<int32_t>();
  int64_t width = x.type.getShape().back();
  int64_t last = -1;
  for (int32_t column : named) {
    if (column <= last || column >= width)
      return errorAt(op, "its columns must ascend and be below " + Twine(width) + ", but " +
                             Twine(column) + " follows " + Twine(last));
    last = column;
  }
  SmallVector<int64_t> shape(x.type.getShape());
  if (isa<SelectColumnsOp>(op))
    shape.back() = named.size();
  else if (isa<DropColumnsOp>(op))
    shape.back() = width - named.size();
  auto type = withShape(op->getResult(0).getType(), shape);
  char *y = frame.allocate(writes[0], type);
  int64_t element = *elementBytes(type.getElementType()), rows = 1;
  for (int64_t size : ArrayRef(shape).drop_back())
    rows *= size;
  int64_t fromBytes = width * element, toBytes = shape.back() * element;
  std::vector<ColumnRun> runs = runsOf(op, named, width);
  int64_t grain = std::max<int64_t>(1, bytesPerTask / std::max<int64_t>(toBytes, 1));
  numerics::parallelFor(0, rows, grain, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i != end; ++i) {
      const char *from = x.data + i * fromBytes;
      char *to = y + i * toBytes;
      if (isa<ClearColumnsOp>(op))
        std::fill_n(to, toBytes, 0);
      for (const ColumnRun &run : runs)
        std::copy_n(from + run.from * element, run.count * element, to + run.to * element);
    }
  });
  return llvm::Error::success();
}

NodePtr makeColumnNode(Operation *op, ValueTable &values) {
  if (auto outliers = dyn_cast<OutlierColumnsOp>(op))
    return std::make_unique<OutlierColumnsNode>(outliers, values);
  if (isa<SelectColumnsOp, DropColumnsOp, ClearColumnsOp>(op))
    return std::make_unique<CopyColumnsNode>(op, values);
  return nullptr;
}

} // namespace ptq::execution
