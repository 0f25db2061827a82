// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A thread makes one word of 8 activations, of two words of bytes. With l = b & 0x0f0f0f0f the word
// l + (l >> 4) has nibbles 1 and 0 in byte 0, 3 and 2 in byte 2, and what is not wanted in the
// others; a byte permutation takes bytes 0 and 2 of both words.

#include "ptq/Kernels/PackActivations.h"
#include "ptq/Kernels/PackedIntegerLayout.h"

#include "KernelFunction.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

namespace {
constexpr int64_t threads = 128, perWord = 8, wordBytes = 4;
} // namespace

int64_t ptq::kernels::packedActivationBytes(int64_t k) {
  return llvm::alignTo(k, PackedIntegerLayout::paddingK) / 2;
}

GemmTile ptq::kernels::packActivationsTile() {
  return {/*blockM=*/1, /*blockN=*/threads * wordBytes, /*blockK=*/1,
          /*warpsM=*/1, /*warpsN=*/threads / 32,        /*stages=*/1};
}

/// The 8 bytes from input `first` of a row on, as two words, zeros beyond k.
static std::array<Value, 2> readBytes(KernelBuilder &k, Value row, Value first, int64_t count) {
  std::array<Value, 2> words;
  for (int64_t half = 0; half < 2; ++half) {
    Value at = k.add(first, half * 4);
    if (count % 4 == 0) {
      auto read = scf::IfOp::create(k, k.getI32Type(), k.less(at, count), /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(k);
      k.setInsertionPointToStart(read.thenBlock());
      scf::YieldOp::create(k, k.loadConstant(k.getI32Type(), k.offset(row, at), 4));
      k.setInsertionPointToStart(read.elseBlock());
      scf::YieldOp::create(k, k.i32(0));
      words[half] = read.getResult(0);
      continue;
    }
    Value word = k.i32(0);
    for (int64_t e = 0; e < 4; ++e) {
      Value input = k.add(at, e);
      auto read =
          scf::IfOp::create(k, k.getI32Type(), k.less(input, count), /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(k);
      k.setInsertionPointToStart(read.thenBlock());
      Value byte = k.loadConstant(k.getI8Type(), k.offset(row, input), 1);
      Value wide = arith::ExtUIOp::create(k, k.getI32Type(), byte);
      scf::YieldOp::create(k, k.shiftLeft(wide, 8 * e));
      k.setInsertionPointToStart(read.elseBlock());
      scf::YieldOp::create(k, k.i32(0));
      k.setInsertionPointAfter(read);
      word = k.add(word, read.getResult(0));
    }
    words[half] = word;
  }
  return words;
}

gpu::GPUFuncOp ptq::kernels::emitPackActivations(gpu::GPUModuleOp module, StringRef name,
                                                 int64_t inputs) {
  gpu::GPUFuncOp function =
      createKernel(module, name, {Argument::Input, Argument::Output, Argument::Number}, threads);
  KernelBuilder k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front()));
  int64_t rowWords = packedActivationBytes(inputs) / wordBytes;
  int64_t perRow = llvm::divideCeil(rowWords, threads);
  Value row = k.div(k.blockId(), perRow);
  Value word = k.add(k.mul(k.rem(k.blockId(), perRow), threads), k.threadId(threads));
  k.ifThen(k.both(k.less(word, rowWords), k.less(row, Value(function.getArgument(2)))), [&] {
    Value from = k.offset(function.getArgument(0), k.wideMul(row, inputs));
    std::array<Value, 2> bytes = readBytes(k, from, k.mul(word, perWord), inputs);
    for (Value &half : bytes) {
      Value low = k.bitAnd(half, 0x0f0f0f0f);
      half = k.add(low, k.shiftRight(low, 4));
    }
    Value to = k.offset(k.offset(function.getArgument(1), k.wideMul(row, rowWords * wordBytes)),
                        k.mul(word, wordBytes));
    k.store(k.permute(bytes[0], bytes[1], 0x6420), to, wordBytes);
  });
  gpu::ReturnOp::create(k);
  return function;
}
