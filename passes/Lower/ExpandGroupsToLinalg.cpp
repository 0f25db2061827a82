// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.expand_groups → one elementwise linalg.generic: w[n, k] = (q[n, k] − z[n, k / g])·s[n, k /
// g], in 8 bits, which is modulo 256.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

namespace {

struct LowerExpandGroups : OpRewritePattern<ExpandGroupsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ExpandGroupsOp op, PatternRewriter &rewriter) const override {
    RankedTensorType type = op.getY().getType();
    Type i8 = rewriter.getI8Type();
    SmallVector<OpFoldResult> sizes{rewriter.getIndexAttr(type.getDimSize(0)),
                                    rewriter.getIndexAttr(type.getDimSize(1))};
    Value y = buildElementwise(
        rewriter, op.getLoc(), sizes, {}, {}, i8,
        [&](OpBuilder &b, Location loc, ValueRange) -> Value {
          Value n = linalg::IndexOp::create(b, loc, 0), k = linalg::IndexOp::create(b, loc, 1);
          Value size = arith::ConstantIndexOp::create(b, loc, op.getGroupSize());
          Value group = arith::DivUIOp::create(b, loc, k, size);
          Value code = arith::TruncIOp::create(
              b, loc, i8, unpackCode(b, loc, op.getCodes(), op.getBits(), n, k));
          Value s = tensor::ExtractOp::create(b, loc, op.getScales(), ValueRange{n, group});
          Value z = tensor::ExtractOp::create(b, loc, op.getZeroPoints(), ValueRange{n, group});
          return arith::MulIOp::create(b, loc, arith::SubIOp::create(b, loc, code, z), s);
        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

} // namespace

void ptq::populateExpandGroupsToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerExpandGroups>(patterns.getContext());
}
