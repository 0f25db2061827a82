// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mathematical functions as arithmetic, where upstream's expansions are too coarse for a model's
// values or wrong for some.
//
// sin, cos: x = k·π/2 + r with |r| ≤ π/4 in float64, π/2 in two parts (W. J. Cody, W. Waite,
// Software Manual for the Elementary Functions, 1980); then the minimax polynomials of S. Moshier's
// Cephes for single precision, in float64 as well: what is left is the polynomials' own error, and
// one rounding. k mod 4 chooses the polynomial and the sign.
//
// What is an instruction or two becomes LLVM's intrinsic: upstream's lowering of gpu.module would
// call the device library, which not every machine has.
//
// x to a constant integral power: by squaring. (An expansion by logarithms has no negative x.)

#include "ptq/Math/ExpandMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ptq;

namespace {
struct ExpandConstantPower : OpRewritePattern<math::FPowIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FPowIOp op, PatternRewriter &rewriter) const override {
    APInt exponent;
    if (!matchPattern(op.getRhs(), m_ConstantInt(&exponent)) || exponent.abs().ugt(64))
      return failure();
    Location loc = op.getLoc();
    Value one = arith::ConstantOp::create(rewriter, loc, rewriter.getFloatAttr(op.getType(), 1));
    Value result, square = op.getLhs();
    for (uint64_t rest = exponent.abs().getZExtValue(); rest; rest >>= 1) {
      if (rest & 1)
        result = result ? arith::MulFOp::create(rewriter, loc, result, square).getResult() : square;
      if (rest > 1)
        square = arith::MulFOp::create(rewriter, loc, square, square);
    }
    if (!result)
      result = one;
    else if (exponent.isNegative())
      result = arith::DivFOp::create(rewriter, loc, one, result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// `quarters`: 0 for sin, 1 for cos, which is a quarter turn ahead.
template <class Op, int64_t quarters> struct ExpandTrigonometric : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type f64 = b.getF64Type();
    auto constant = [&](double value) -> Value {
      return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
    };
    auto mul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b, x, y); };
    auto fma = [&](Value x, Value y, Value z) -> Value { return math::FmaOp::create(b, x, y, z); };
    auto horner = [&](Value x, ArrayRef<double> coefficients) {
      Value sum = constant(coefficients.front());
      for (double coefficient : coefficients.drop_front())
        sum = fma(sum, x, constant(coefficient));
      return sum;
    };
    Value x = arith::ExtFOp::create(b, f64, op.getOperand());
    Value k = math::RoundEvenOp::create(b, mul(x, constant(0x1.45f306dc9c883p-1))); // 2/π
    Value minusK = arith::NegFOp::create(b, k);
    Value r = x;
    for (double part : {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54}) // π/2
      r = fma(minusK, constant(part), r);
    // Of huge numbers, whose k is not exact, nothing is left but the range.
    r = arith::MinimumFOp::create(b, arith::MaximumFOp::create(b, r, constant(-1)), constant(1));
    Value square = mul(r, r);
    Value sine = horner(square, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1});
    sine = fma(mul(sine, square), r, r);
    Value cosine =
        horner(square, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2, -0.5});
    cosine = fma(cosine, square, constant(1));

    // The quadrant, k mod 4, in floats: exact for all of them.
    Value turned = arith::AddFOp::create(b, k, constant(quarters));
    auto mod = [&](Value value, double n) -> Value {
      Value times = math::FloorOp::create(b, mul(value, constant(1 / n)));
      return fma(times, constant(-n), value);
    };
    auto compare = [&](Value value, arith::CmpFPredicate than, double bound) -> Value {
      return arith::CmpFOp::create(b, than, value, constant(bound));
    };
    Value quadrant = mod(turned, 4);
    Value isOdd = compare(mod(quadrant, 2), arith::CmpFPredicate::OEQ, 1);
    Value isNegative = compare(quadrant, arith::CmpFPredicate::OGE, 2);
    Value chosen = arith::SelectOp::create(b, isOdd, cosine, sine);
    Value negated = arith::NegFOp::create(b, chosen);
    Value signedValue = arith::SelectOp::create(b, isNegative, negated, chosen);
    rewriter.replaceOp(op, arith::TruncFOp::create(b, op.getType(), signedValue).getResult());
    return success();
  }
};

template <class Op> struct CallIntrinsic : OpRewritePattern<Op> {
  CallIntrinsic(MLIRContext *context, StringRef name) : OpRewritePattern<Op>(context), name(name) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!type.isF32() && !type.isF64())
      return failure();
    std::string full = ("llvm." + name + (type.isF32() ? ".f32" : ".f64")).str();
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, type, rewriter.getStringAttr(full),
                                                       op->getOperands());
    return success();
  }
  StringRef name;
};
} // namespace

void ptq::populateTrigonometricPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpandTrigonometric<math::SinOp, 0>, ExpandTrigonometric<math::CosOp, 1>>(
      patterns.getContext(), /*benefit=*/10);
}

void ptq::populateExpandMathPatterns(RewritePatternSet &patterns) {
  populateTrigonometricPatterns(patterns);
  patterns.add<ExpandConstantPower>(patterns.getContext(), /*benefit=*/10);
  MLIRContext *context = patterns.getContext();
  patterns.add<CallIntrinsic<math::AbsFOp>>(context, "fabs");
  patterns.add<CallIntrinsic<math::CeilOp>>(context, "ceil");
  patterns.add<CallIntrinsic<math::CopySignOp>>(context, "copysign");
  patterns.add<CallIntrinsic<math::FloorOp>>(context, "floor");
  patterns.add<CallIntrinsic<math::FmaOp>>(context, "fma");
  patterns.add<CallIntrinsic<math::RoundEvenOp>>(context, "roundeven");
  patterns.add<CallIntrinsic<math::RoundOp>>(context, "round");
  patterns.add<CallIntrinsic<math::SqrtOp>>(context, "sqrt");
  patterns.add<CallIntrinsic<math::TruncOp>>(context, "trunc");
}
