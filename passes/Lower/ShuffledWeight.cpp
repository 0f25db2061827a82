// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The way back from the kernel's order: word j of row n of a packed weight has the bits of codes
// floor(32j / b) and up; each is collected from its parts, where codeParts says they are, in a wide
// word: Σ_k u[n, k]·2^(k·b − 32j), of which 32 bits are taken.

#include "ShuffledWeight.h"

#include "GpuKernels.h"
#include "LinalgBuilders.h"
#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Numerics/Packing.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cstring>

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

llvm::Expected<Value> ptq::createShuffledWeight(OpBuilder &b, WeightOnlyLinearOp op,
                                                const WeightLayout &layout) {
  std::optional<std::vector<char>> bytes = constantBytes(op.getWeight());
  if (!bytes)
    return llvm::createStringError("its weight is not a constant");
  std::vector<uint32_t> packed(bytes->size() / sizeof(uint32_t));
  std::memcpy(packed.data(), bytes->data(), packed.size() * sizeof(uint32_t));
  std::vector<uint32_t> words =
      shuffleWeight(numerics::unpackCodes(packed, layout.n, layout.k, layout.bits), layout);
  int64_t size = words.size();
  return createConstant(b, op.getLoc(), std::move(words), {size}, b.getI32Type(),
                        op.getLayerName() + ".weight_shuffled");
}

namespace {

/// Index arithmetic in the body.
class CodeReader {
public:
  CodeReader(OpBuilder &b, Location loc, Value words, const WeightLayout &layout)
      : b(b), loc(loc), words(words), layout(layout) {}

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value mul(Value x, int64_t y) { return arith::MulIOp::create(b, loc, x, index(y)); }
  Value div(Value x, int64_t y) { return arith::DivUIOp::create(b, loc, x, index(y)); }
  Value rem(Value x, int64_t y) { return arith::RemUIOp::create(b, loc, x, index(y)); }
  Value integer(Value x, Type type) { return arith::IndexCastOp::create(b, loc, type, x); }

  /// The code u of (n, k), as i32.
  Value read(Value n, Value k);

private:
  OpBuilder &b;
  Location loc;
  Value words;
  const WeightLayout &layout;
};

} // namespace

Value CodeReader::read(Value n, Value k) {
  auto word = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(b, loc, b.getI32Type(), value);
  };
  Value block = add(mul(div(n, WeightLayout::blockN), layout.paddedK() / WeightLayout::blockK),
                    div(k, WeightLayout::blockK));
  Value operand = div(rem(n, WeightLayout::blockN), 8);
  Value lane = add(mul(rem(n, 8), 4), div(rem(k, 8), 2));
  Value upper = div(rem(k, WeightLayout::blockK), 8), odd = rem(k, 2);
  Value code;
  int64_t from = 0;
  for (unsigned bits : layout.planes()) {
    Value at, shift;
    switch (bits) {
    case 1:
      at = lane;
      shift = add(add(mul(operand, 2), upper), mul(odd, 16));
      break;
    case 2:
      at = add(mul(lane, 2), div(operand, 4));
      shift = add(add(mul(rem(operand, 4), 4), mul(upper, 2)), mul(odd, 16));
      break;
    case 4:
      at = add(mul(lane, 4), div(operand, 2));
      shift = add(add(mul(rem(operand, 2), 8), mul(upper, 4)), mul(odd, 16));
      break;
    default:
      at = add(add(mul(div(operand, 4), 128), mul(lane, 4)), rem(operand, 4));
      shift = add(mul(upper, 16), mul(odd, 8));
    }
    int64_t start = layout.paddedN() * layout.paddedK() * from / 32;
    at = add(add(mul(block, WeightLayout::blockBytes(bits) / 4), index(start)), at);
    Value part = tensor::ExtractOp::create(b, loc, words, at);
    part = arith::ShRUIOp::create(b, loc, part, integer(shift, b.getI32Type()));
    part = arith::AndIOp::create(b, loc, part, word((1 << bits) - 1));
    if (from != 0)
      part = arith::ShLIOp::create(b, loc, part, word(from));
    code = code ? arith::OrIOp::create(b, loc, code, part).getResult() : part;
    from += bits;
  }
  return code;
}

Value ptq::createRestoredWeight(OpBuilder &b, Location loc, Value words, const WeightLayout &layout,
                                RankedTensorType type) {
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(type.getDimSize(0)),
                                  b.getIndexAttr(type.getDimSize(1))};
  int64_t bits = layout.bits, count = 32 / bits + (32 % bits ? 2 : 0);
  bool whole = layout.k * bits % 32 == 0;
  auto body = [&](OpBuilder &b, Location loc, ValueRange) -> Value {
    CodeReader reader(b, loc, words, layout);
    Type i64 = b.getI64Type();
    auto wide = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(b, loc, i64, value);
    };
    Value n = linalg::IndexOp::create(b, loc, 0), j = linalg::IndexOp::create(b, loc, 1);
    Value position = reader.mul(j, 32), first = reader.div(position, bits), sum = wide(0);
    for (int64_t i = 0; i < count; ++i) {
      Value k = reader.add(first, reader.index(i)), inside;
      // How far left of the word's first bit, plus b − 1, as a code may begin before it.
      Value left = arith::SubIOp::create(
          b, loc, reader.add(reader.mul(k, bits), reader.index(bits - 1)), position);
      if (!whole || 32 % bits != 0) {
        Value last = reader.index(layout.k - 1);
        inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule, k, last);
        k = arith::SelectOp::create(b, loc, inside, k, last);
      }
      Value code = arith::ExtUIOp::create(b, loc, i64, reader.read(n, k));
      if (inside)
        code = arith::SelectOp::create(b, loc, inside, code, wide(0));
      code = arith::ShLIOp::create(b, loc, code, reader.integer(left, i64));
      sum = arith::OrIOp::create(b, loc, sum, code);
    }
    sum = arith::ShRUIOp::create(b, loc, sum, wide(bits - 1));
    return arith::TruncIOp::create(b, loc, b.getI32Type(), sum);
  };
  Value weight = buildElementwise(b, loc, sizes, {}, {}, b.getI32Type(), body);
  weight.getDefiningOp()->setAttr(kWeightLayoutAttr, b.getStringAttr(WeightLayout::name));
  return weight;
}

llvm::Expected<Value> ptq::findShuffledWeight(Value weight, const WeightLayout &layout) {
  auto restore = weight.getDefiningOp<linalg::GenericOp>();
  auto name = restore ? restore->getAttrOfType<StringAttr>(kWeightLayoutAttr) : StringAttr();
  if (!name)
    return Value();
  Value words;
  restore->walk([&](tensor::ExtractOp extract) { words = extract.getTensor(); });
  auto type = RankedTensorType::get({layout.words()}, IntegerType::get(weight.getContext(), 32));
  if (name != WeightLayout::name || !words || words.getType() != type)
    return llvm::createStringError("its weight is in an order, '" + name.getValue() +
                                   "', that the kernels here do not have: start from the module "
                                   "before --shuffle-weights");
  return words;
}
