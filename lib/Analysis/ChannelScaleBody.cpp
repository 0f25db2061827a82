// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rules, for x' = x·s^e with one s > 0 (equalities of real numbers):
//   x'·y' = s^(e+f)·xy       x'/y' = s^(e−f)·x/y      fma: the two together
//   x'^n = s^(ne)·x^n        √x' = s^(e/2)·√x         1/√x' = s^(−e/2)/√x, e even
//   −x', |x'|, casts between float types, copysign(x', ·): s^e times what they were
//   x' ± y', max, min, select, remainder: s^e times what they were if e = f
//   x' < y': as before if e = f
//   everything else: as before if nothing is scaled
// 0 and ±∞ are unchanged by any s > 0, so they fit every e. In max and min so does the greatest
// finite number of a type (TOSA's ReLU clamps to it): no number is beyond it.

#include "ChannelScaleBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq::channel_scale;
using Exponent = std::optional<int>;

int ptq::channel_scale::exponentOfConstant(Attribute value) {
  std::optional<APFloat> number;
  if (auto scalar = dyn_cast<FloatAttr>(value))
    number = scalar.getValue();
  else if (auto dense = dyn_cast<DenseElementsAttr>(value);
           dense && dense.isSplat() && isa<FloatType>(dense.getElementType()))
    number = dense.getSplatValue<APFloat>();
  return number && (number->isZero() || number->isInfinity()) ? kAnyExponent : 0;
}

/// The exponent that both operands of a sum, a maximum, a comparison have.
static Exponent common(int a, int b) {
  if (a == kAnyExponent)
    return b;
  return b == kAnyExponent || a == b ? Exponent(a) : std::nullopt;
}

/// `exponent` times numerator/denominator, if that is whole.
static Exponent times(int exponent, int numerator, int denominator) {
  if (exponent == kAnyExponent)
    return kAnyExponent;
  if (exponent * numerator % denominator)
    return std::nullopt;
  return exponent * numerator / denominator;
}

static Exponent product(int a, int b) {
  return a == kAnyExponent || b == kAnyExponent ? kAnyExponent : a + b;
}

/// The exponent of an operand of max or min.
static int bound(Value operand, int exponent) {
  APFloat number(0.0);
  return matchPattern(operand, m_ConstantFloat(&number)) && number.isLargest() ? kAnyExponent
                                                                               : exponent;
}

/// f(0) and f(∞) are ordinary numbers for a function that is not homogeneous.
static int known(Exponent exponent) { return *exponent == kAnyExponent ? 0 : *exponent; }

std::optional<int> ptq::channel_scale::interpretOperation(Operation *op, ArrayRef<int> e,
                                                          std::string &reason) {
  bool handled = true;
  Exponent result =
      llvm::TypeSwitch<Operation *, Exponent>(op)
          .Case([&](arith::ConstantOp constant) {
            return Exponent(exponentOfConstant(constant.getValue()));
          })
          .Case([&](arith::MulFOp) { return product(e[0], e[1]); })
          .Case([&](arith::DivFOp) {
            return e[1] == kAnyExponent ? Exponent(kAnyExponent) : product(e[0], -e[1]);
          })
          .Case<arith::AddFOp, arith::SubFOp, arith::RemFOp>(
              [&](auto) { return common(e[0], e[1]); })
          .Case<arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp>(
              [&](auto) {
                return common(bound(op->getOperand(0), e[0]), bound(op->getOperand(1), e[1]));
              })
          .Case([&](math::FmaOp) { return common(*product(e[0], e[1]), e[2]); })
          .Case<arith::NegFOp, math::AbsFOp, arith::ExtFOp, arith::TruncFOp, math::CopySignOp>(
              [&](auto) { return Exponent(e[0]); })
          .Case([&](math::SqrtOp) { return times(e[0], 1, 2); })
          .Case([&](math::RsqrtOp) {
            return e[0] == kAnyExponent ? Exponent(0) : times(e[0], -1, 2);
          })
          .Case([&](math::FPowIOp power) -> Exponent {
            APInt n;
            if (matchPattern(power.getRhs(), m_ConstantInt(&n)) && n.isStrictlyPositive() &&
                n.ult(5))
              return times(e[0], n.getZExtValue(), 1);
            return known(e[0]) == 0 ? Exponent(0) : std::nullopt;
          })
          .Case([&](math::PowFOp power) -> Exponent {
            APFloat n(0.0);
            bool lost = false;
            if (matchPattern(power.getRhs(), m_ConstantFloat(&n)) &&
                n.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost) ==
                    APFloat::opOK &&
                (n.convertToDouble() == 2.0 || n.convertToDouble() == 1.0))
              return times(e[0], n.convertToDouble(), 1);
            return known(e[0]) == 0 && known(e[1]) == 0 ? Exponent(0) : std::nullopt;
          })
          .Case([&](arith::CmpFOp) -> Exponent {
            return common(e[0], e[1]) ? Exponent(0) : std::nullopt;
          })
          .Case([&](arith::SelectOp select) -> Exponent {
            return known(e[0]) == 0 ? common(e[1], e[2]) : std::nullopt;
          })
          .Default([&](Operation *) -> Exponent {
            handled = false;
            bool unscaled = llvm::all_of(e, [](int exponent) { return known(exponent) == 0; });
            return unscaled ? Exponent(0) : std::nullopt;
          });
  if (!result)
    reason =
        ("'" + op->getName().getStringRef() +
         (handled ? "' would have to take two different scales" : "' does not let a scale through"))
            .str();
  return result;
}

std::optional<llvm::SmallVector<int>>
ptq::channel_scale::interpretBody(Block &body, ArrayRef<int> arguments,
                                  const llvm::DenseMap<Operation *, int> &given,
                                  std::string &reason) {
  llvm::DenseMap<Value, int> exponents;
  for (auto [argument, exponent] : llvm::zip_equal(body.getArguments(), arguments))
    exponents[argument] = exponent;
  auto exponentOf = [&](Value value) {
    if (auto it = exponents.find(value); it != exponents.end())
      return it->second;
    Attribute constant;
    return matchPattern(value, m_Constant(&constant)) ? exponentOfConstant(constant) : 0;
  };
  for (Operation &op : body.without_terminator()) {
    if (auto it = given.find(&op); it != given.end()) {
      exponents[op.getResult(0)] = it->second;
      continue;
    }
    llvm::SmallVector<int> operands = llvm::map_to_vector(op.getOperands(), exponentOf);
    // What a nested region does with the body's values is not followed.
    if (op.getNumRegions() &&
        llvm::any_of(arguments, [](int exponent) { return known(exponent) != 0; })) {
      reason = ("'" + op.getName().getStringRef() + "' does not let a scale through").str();
      return std::nullopt;
    }
    std::optional<int> exponent = interpretOperation(&op, operands, reason);
    if (!exponent)
      return std::nullopt;
    for (Value result : op.getResults())
      exponents[result] = *exponent;
  }
  return llvm::map_to_vector(body.getTerminator()->getOperands(), exponentOf);
}
