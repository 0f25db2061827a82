// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.lookup_dequantize → one linalg.generic:
//
//   w[n, k] = table[c[n, k]]·s[n, k / group_size] + o
//
// in float32, or float64 if the result's type is, each operation rounded, then rounded to the
// result's type. Codes are unpacked as those of ptq.weight_only_linear are; they index the table
// unsigned.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

namespace {

struct LowerLookupDequantize : OpRewritePattern<LookupDequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LookupDequantizeOp op, PatternRewriter &rewriter) const override {
    RankedTensorType type = op.getY().getType();
    Location loc = op.getLoc();
    Value empty = tensor::EmptyOp::create(rewriter, loc, type.getShape(), type.getElementType());
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange) {
      Value n = linalg::IndexOp::create(b, loc, 0), k = linalg::IndexOp::create(b, loc, 1);
      linalg::YieldOp::create(b, loc, buildElement(b, loc, op, n, k));
    };
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(
        op, type, ValueRange(), empty, rewriter.getMultiDimIdentityMap(2), iterators, body);
    return success();
  }

private:
  static Value buildElement(OpBuilder &b, Location loc, LookupDequantizeOp op, Value n, Value k) {
    Type element = op.getY().getType().getElementType();
    Type wide = element.isF64() ? element : b.getF32Type();
    auto index = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(b, loc, value);
    };
    auto extract = [&](Value tensor, ValueRange at) {
      return convertFloat(b, loc, tensor::ExtractOp::create(b, loc, tensor, at), wide);
    };
    unsigned bits = op.getBits();
    Value code = unpackCode(b, loc, op.getCodes(), bits, n, k);
    Value entry =
        arith::AddIOp::create(b, loc, arith::IndexCastOp::create(b, loc, b.getIndexType(), code),
                              index(int64_t(1) << (bits - 1)));
    Value group = arith::DivUIOp::create(b, loc, k, index(op.getGroupSize()));
    Value value = arith::MulFOp::create(b, loc, extract(op.getTable(), entry),
                                        extract(op.getScales(), {n, group}));
    if (op.getOffset())
      value = arith::AddFOp::create(b, loc, value, extract(op.getOffset(), index(0)));
    return convertFloat(b, loc, value, element);
  }
};

} // namespace

void ptq::populateLookupToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerLookupDequantize>(patterns.getContext());
}
