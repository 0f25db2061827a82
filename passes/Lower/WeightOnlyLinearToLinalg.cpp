// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.weight_only_linear → unpack, dequantize, linear.
//
// Unpack: code k of a row begins at bit p = k·bits of the row's words:
//           q = ((w[p/32] >> p%32 | w[p/32 + 1] << (32 - p%32)) & (2^bits - 1)) - 2^(bits-1)
//         the second word only where the code spans two.
// Dequantize: (q - z[n, g])·s[n, g] in float32, g = k / group size or group_index[k].
// Sparse part: plus the value of row n in column k, if it has one. With l values before the row and
//         c of its own, p = #{j < c : columns[l + j] < k} by bisection, unrolled: for b = 2^s, …,
//         1, p += b if p + b ≤ c and columns[l + p + b - 1] < k; then columns[l + p] = k, or there
//         is none.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

namespace {

/// Builds the float32 weight of one layer.
class Dequantizer {
public:
  Dequantizer(OpBuilder &b, WeightOnlyLinearOp op)
      : b(b), op(op), loc(op.getLoc()), rows(op.getOutFeatures()), columns(op.getInFeatures()) {}

  /// [out, in].
  Value build() {
    Value empty = tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{rows, columns}, b.getF32Type());
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange) {
      Value n = linalg::IndexOp::create(b, loc, 0), k = linalg::IndexOp::create(b, loc, 1);
      linalg::YieldOp::create(b, loc, dequantize(b, loc, n, k));
    };
    return linalg::GenericOp::create(b, loc, empty.getType(), ValueRange(), empty,
                                     b.getMultiDimIdentityMap(2), iterators, body)
        .getResult(0);
  }

private:
  Value index(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value group(OpBuilder &b, Location loc, Value k);
  Value dequantize(OpBuilder &b, Location loc, Value n, Value k);
  Value sparseValue(OpBuilder &b, Location loc, Value n, Value k);

  OpBuilder &b;
  WeightOnlyLinearOp op;
  Location loc;
  int64_t rows, columns;
};

} // namespace

Value ptq::unpackCode(OpBuilder &b, Location loc, Value words, unsigned bits, Value n, Value k) {
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  auto word = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  };
  Value c32 = index(32);
  Value position = arith::MulIOp::create(b, loc, k, index(bits));
  Value at = arith::DivUIOp::create(b, loc, position, c32);
  Value offset = arith::IndexCastOp::create(b, loc, b.getI32Type(),
                                            arith::RemUIOp::create(b, loc, position, c32));
  Value low = tensor::ExtractOp::create(b, loc, words, ValueRange{n, at});
  Value code = arith::ShRUIOp::create(b, loc, low, offset);
  if (32 % bits != 0) {
    // Where the code does not span two words the second one is read from the first's place and not
    // used.
    Value end = arith::AddIOp::create(b, loc, offset, word(bits));
    Value spans = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, end, word(32));
    Value next =
        arith::SelectOp::create(b, loc, spans, arith::AddIOp::create(b, loc, at, index(1)), at);
    Value high = tensor::ExtractOp::create(b, loc, words, ValueRange{n, next});
    Value shift = arith::SelectOp::create(b, loc, spans,
                                          arith::SubIOp::create(b, loc, word(32), offset), word(0));
    Value both = arith::OrIOp::create(b, loc, code, arith::ShLIOp::create(b, loc, high, shift));
    code = arith::SelectOp::create(b, loc, spans, both, code);
  }
  code = arith::AndIOp::create(b, loc, code, word((int64_t(1) << bits) - 1));
  return arith::SubIOp::create(b, loc, code, word(int64_t(1) << (bits - 1)));
}

Value Dequantizer::group(OpBuilder &b, Location loc, Value k) {
  if (op.getGroupIndex())
    return arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                      tensor::ExtractOp::create(b, loc, op.getGroupIndex(), k));
  if (op.getScheme().getGranularity() == Granularity::PerGroup)
    return arith::DivUIOp::create(b, loc, k, index(b, loc, op.getScheme().getGroupSize()));
  return index(b, loc, 0);
}

Value Dequantizer::dequantize(OpBuilder &b, Location loc, Value n, Value k) {
  Value g = group(b, loc, k);
  Value row = op.getScheme().getGranularity() == Granularity::PerTensor ? index(b, loc, 0) : n;
  Value q = unpackCode(b, loc, op.getWeight(), op.getScheme().getBits(), n, k);
  if (op.getZeroPoints()) {
    Value zero = tensor::ExtractOp::create(b, loc, op.getZeroPoints(), ValueRange{row, g});
    q = arith::SubIOp::create(b, loc, q, arith::ExtSIOp::create(b, loc, b.getI32Type(), zero));
  }
  Value scale = tensor::ExtractOp::create(b, loc, op.getScales(), ValueRange{row, g});
  Value value = arith::MulFOp::create(b, loc, arith::SIToFPOp::create(b, loc, b.getF32Type(), q),
                                      convertFloat(b, loc, scale, b.getF32Type()));
  if (!op.getRowOffsets())
    return value;
  return arith::AddFOp::create(b, loc, value, sparseValue(b, loc, n, k));
}

Value Dequantizer::sparseValue(OpBuilder &b, Location loc, Value n, Value k) {
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  };
  auto less = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
  };
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, loc, x, y); };
  auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(b, loc, x, y); };
  // An element of `values`, or its first one where `inside` is false.
  auto element = [&](Value values, Value inside, Value at) -> Value {
    Value safe = arith::SelectOp::create(b, loc, inside, at, integer(0));
    Value position = arith::IndexCastOp::create(b, loc, b.getIndexType(), safe);
    return tensor::ExtractOp::create(b, loc, values, position);
  };
  Value column = arith::IndexCastOp::create(b, loc, b.getI32Type(), k);
  Value first = tensor::ExtractOp::create(b, loc, op.getRowOffsets(), n);
  Value next = arith::AddIOp::create(b, loc, n, index(b, loc, 1));
  Value end = tensor::ExtractOp::create(b, loc, op.getRowOffsets(), next);
  Value before = first;
  // A row has no more values than columns.
  for (int64_t step = llvm::PowerOf2Ceil(columns + 1) / 2; step != 0; step /= 2) {
    Value candidate = add(before, integer(step - 1));
    Value inside = less(candidate, end);
    Value isBefore = both(inside, less(element(op.getColumns(), inside, candidate), column));
    before = arith::SelectOp::create(b, loc, isBefore, add(candidate, integer(1)), before);
  }
  Value inside = less(before, end);
  Value found =
      both(inside, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                         element(op.getColumns(), inside, before), column));
  Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  Value value = convertFloat(b, loc, element(op.getValues(), inside, before), b.getF32Type());
  return arith::SelectOp::create(b, loc, found, value, zero);
}

namespace {

struct LowerWeightOnlyLinear : OpRewritePattern<WeightOnlyLinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(WeightOnlyLinearOp op, PatternRewriter &rewriter) const override {
    Value weight = Dequantizer(rewriter, op).build();
    rewriter.replaceOp(op, buildLinear(rewriter, op.getLoc(), op.getX(), weight, op.getBias(),
                                       op.getY().getType()));
    return success();
  }
};

} // namespace

void ptq::populateWeightOnlyLinearToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerWeightOnlyLinear>(patterns.getContext());
}
