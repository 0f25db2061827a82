// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Dequantize.h"

#include "ptq/Kernels/WeightLayout.h"

using namespace mlir;
using namespace ptq::kernels;

static constexpr unsigned andOr = 0xEA; // (a & b) | c
/// Columns of a block of weights, in mma operands.
static constexpr int64_t operandsPerBlock = WeightLayout::blockN / 8;

void Dequantizer::read(Value start, unsigned planeBits, SmallVectorImpl<Value> &words) {
  if (planeBits == 1) {
    words.push_back(k.load(k.getI32Type(), start, 4));
    return;
  }
  int64_t count = laneBytes(planeBits) / 4;
  auto vector = VectorType::get(count, k.getI32Type());
  for (int64_t first = 0; first < planeBits; first += count) {
    Value several = k.load(vector, k.offset(start, first * 128), count * 4);
    for (int64_t e = 0; e < count; ++e)
      words.push_back(LLVM::ExtractElementOp::create(k, several, k.i32(e)));
  }
}

/// The 8 columns' pairs in 4 words, each value twice in a word of its own.
SmallVector<Value> Dequantizer::duplicate(ArrayRef<Value> words) {
  SmallVector<Value> pairs;
  for (Value word : words)
    for (unsigned selector : {0x1010u, 0x3232u})
      pairs.push_back(k.permute(word, word, selector));
  return pairs;
}

void Dequantizer::setScales(ArrayRef<Value> words) { scales = duplicate(words); }

void Dequantizer::setZeroPoints(ArrayRef<Value> words) {
  lowOffsets.clear();
  highOffsets.clear();
  if (isWide()) {
    for (Value word : words)
      for (Value bits : {k.shiftLeft(word, 16), k.bitAnd(word, 0xffff0000)}) {
        Value zero = arith::BitcastOp::create(k, k.getF32Type(), bits);
        lowOffsets.push_back(arith::AddFOp::create(k, zero, k.f32(8388608 + 128)));
      }
    return;
  }
  for (Value pair : duplicate(words)) {
    lowOffsets.push_back(k.addPair(pair, k.splatPair(offset(), bfloat), bfloat));
    if (bits == 4 && !bfloat)
      highOffsets.push_back(k.addPair(pair, k.splatPair(72, false), false));
  }
}

Value Dequantizer::centred(Value pair, int64_t operand) {
  Value subtrahend = lowOffsets.empty() ? k.splatPair(offset(), bfloat) : lowOffsets[operand];
  return k.subPair(pair, subtrahend, bfloat);
}

Value Dequantizer::centredHigh(Value pair, int64_t operand) {
  Value negated = k.splatPair(-72, false);
  if (!highOffsets.empty())
    negated = LLVM::XOrOp::create(k, highOffsets[operand], k.i32(0x80008000));
  return k.fmaPair(pair, k.splatPair(1.0f / 16, false), negated, false);
}

/// Two codes of 8 bits as bf16, by way of float32.
Value Dequantizer::wide(Value word, int64_t operand, unsigned firstByte) {
  Value subtrahend = lowOffsets.empty() ? k.f32(8388608 + 128) : lowOffsets[operand];
  std::array<Value, 2> halves;
  for (unsigned i = 0; i < 2; ++i) {
    // Bytes from the lowest: the code, 0, 0, 0x4b.
    Value bits = k.permute(word, k.i32(0x4b000000), 0x7650 + firstByte + i);
    Value value = arith::BitcastOp::create(k, k.getF32Type(), bits);
    value = arith::SubFOp::create(k, value, subtrahend);
    halves[i] = arith::BitcastOp::create(k, k.getI32Type(), value);
  }
  return k.permute(halves[0], halves[1], 0x7632);
}

/// 2 bits at `shift`, and with 3 a third at `highShift` of `highBits`, in both halves of a word,
/// under the exponent.
Value Dequantizer::narrow(Value word, unsigned shift, Value highBits, unsigned highShift) {
  Value pair = k.i32(bfloat ? 0x43004300 : 0x64006400);
  if (highBits) {
    Value third = highShift < 2 ? k.shiftLeft(highBits, 2 - highShift)
                                : k.shiftRight(highBits, highShift - 2);
    pair = k.lop3(third, k.i32(0x00040004), pair, andOr);
  }
  return k.lop3(shift ? k.shiftRight(word, shift) : word, k.i32(0x00030003), pair, andOr);
}

std::array<Value, 2> Dequantizer::operand(ArrayRef<Value> words, int64_t operand) {
  int64_t inBlock = operand % operandsPerBlock;
  words = words.slice(operand / operandsPerBlock * bits, bits);
  std::array<Value, 2> pairs;
  if (isWide()) {
    pairs = {wide(words[inBlock], operand, 0), wide(words[inBlock], operand, 2)};
  } else if (bits == 8) {
    Value magic = k.i32(0x64646464);
    pairs = {centred(k.permute(words[inBlock], magic, 0x4140), operand),
             centred(k.permute(words[inBlock], magic, 0x4342), operand)};
  } else if (bits == 4) {
    Value word = words[inBlock / 2];
    if (inBlock % 2)
      word = k.shiftRight(word, 8);
    Value low = k.i32(0x000f000f), magic = k.i32(bfloat ? 0x43004300 : 0x64006400);
    pairs[0] = centred(k.lop3(word, low, magic, andOr), operand);
    if (bfloat)
      pairs[1] = centred(k.lop3(k.shiftRight(word, 4), low, magic, andOr), operand);
    else
      pairs[1] = centredHigh(k.lop3(word, k.i32(0x00f000f0), magic, andOr), operand);
  } else {
    Value word = words[inBlock / 4], highBits = bits == 3 ? words[2] : Value();
    for (unsigned i = 0; i < 2; ++i)
      pairs[i] = centred(narrow(word, inBlock % 4 * 4 + 2 * i, highBits, inBlock * 2 + i), operand);
  }
  if (!scales.empty())
    for (Value &pair : pairs)
      pair = k.mulPair(pair, scales[operand], bfloat);
  return pairs;
}
