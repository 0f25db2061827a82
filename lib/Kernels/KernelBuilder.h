// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vocabulary in which kernels are written: one method an instruction or a short idiom. Integers
// are i32 unless said otherwise, and fold when constant; pointers are !llvm.ptr<1> (global) and
// !llvm.ptr<3> (shared), offsets count bytes.

#ifndef PTQ_LIB_KERNELS_KERNELBUILDER_H
#define PTQ_LIB_KERNELS_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ptq::kernels {

using mlir::Type;
using mlir::Value;

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  // Integers.
  Value i32(int64_t value);
  Value add(Value a, Value b) { return createOrFold<mlir::arith::AddIOp>(a, b); }
  Value add(Value a, int64_t b) { return add(a, i32(b)); }
  Value sub(Value a, Value b) { return createOrFold<mlir::arith::SubIOp>(a, b); }
  Value mul(Value a, Value b) { return createOrFold<mlir::arith::MulIOp>(a, b); }
  Value mul(Value a, int64_t b) { return mul(a, i32(b)); }
  /// Unsigned quotient and remainder; shifts and masks where b is a power of two.
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value div(Value a, Value b) { return createOrFold<mlir::arith::DivUIOp>(a, b); }
  Value bitAnd(Value a, int64_t b) { return createOrFold<mlir::arith::AndIOp>(a, i32(b)); }
  Value bitXor(Value a, Value b) { return createOrFold<mlir::arith::XOrIOp>(a, b); }
  Value bitXor(Value a, int64_t b) { return bitXor(a, i32(b)); }
  Value shiftLeft(Value a, int64_t b) { return createOrFold<mlir::arith::ShLIOp>(a, i32(b)); }
  Value shiftRight(Value a, int64_t b) { return createOrFold<mlir::arith::ShRUIOp>(a, i32(b)); }
  Value minimum(Value a, Value b) { return createOrFold<mlir::arith::MinSIOp>(a, b); }
  /// The low and high half of a product of i32s, as i64.
  Value wideMul(Value a, int64_t b);
  /// The same of i32s or i64s.
  Value wideMul(Value a, Value b);
  Value less(Value a, Value b);
  Value less(Value a, int64_t b) { return less(a, i32(b)); }
  Value equal(Value a, int64_t b);
  Value both(Value a, Value b) { return createOrFold<mlir::arith::AndIOp>(a, b); }
  Value select(Value c, Value a, Value b) { return createOrFold<mlir::arith::SelectOp>(c, a, b); }
  /// A bitwise function of three words: bit (a,b,c) of `table`, a the highest.
  Value lop3(Value a, Value b, Value c, unsigned table);

  /// Four bytes chosen from those of b:a by the digits of `selector`, lowest first.
  Value permute(Value a, Value b, unsigned selector);

  // Pairs of 16-bit floats in words; bfloat says which kind.
  Value splatPair(float value, bool bfloat);
  /// a·b + c, rounded once.
  Value fmaPair(Value a, Value b, Value c, bool bfloat);
  Value addPair(Value a, Value b, bool bfloat);
  Value subPair(Value a, Value b, bool bfloat);
  Value mulPair(Value a, Value b, bool bfloat);

  // Floats.
  Value f32(float value);
  Value f64(double value);
  /// float to float, rounding half to even; integer (signed) to float.
  Value toFloat(Value value, Type type);

  // Threads. Thread and block numbers are dimension x's unless named.
  Value threadId(unsigned threads);
  Value blockId();
  Value gridSize();
  void barrier() { mlir::NVVM::BarrierOp::create(*this); }
  /// A barrier that tells all threads whether `condition` holds in any.
  Value barrierAny(Value condition);
  void warpBarrier() { mlir::NVVM::SyncWarpOp::create(*this, i32(-1)); }
  /// The word of the lane whose number differs by the bits of `mask`.
  Value exchange(Value word, unsigned mask);

  // Memory.
  mlir::LLVM::LLVMPointerType globalPointer() { return pointer(1); }
  mlir::LLVM::LLVMPointerType sharedPointer() { return pointer(3); }
  Value offset(Value pointer, Value bytes);
  Value offset(Value pointer, int64_t bytes);
  Value load(Type type, Value pointer, unsigned alignment);
  /// A load of what no kernel writes while this one runs.
  Value loadConstant(Type type, Value pointer, unsigned alignment);
  void store(Value value, Value pointer, unsigned alignment);
  /// Adds to a word of global memory and returns what was there: with acquire and release for the
  /// whole device, so that blocks may hand data on by it.
  Value atomicAdd(Value pointer, Value word);
  /// Copies `bytes` (4, 8, 16) asynchronously; the last `bytes - count` of them become zero.
  /// Threads without `condition` (if given) copy nothing; a branch instead would cost a
  /// reconvergence.
  void copyAsync(Value shared, Value global, unsigned bytes, Value count, Value condition = {});
  void commitCopies() { mlir::NVVM::CpAsyncCommitGroupOp::create(*this); }
  /// Waits until at most `pending` committed groups are under way.
  void waitCopies(unsigned pending) {
    mlir::NVVM::CpAsyncWaitGroupOp::create(*this, getI32IntegerAttr(pending));
  }

  // Matrices; registers are laid out as the PTX ISA says.
  /// Four 8×8 matrices of 16-bit elements: a word of each.
  llvm::SmallVector<Value, 4> loadMatrices(Value shared);
  /// d = a·b + c with signed 8-bit a [16,32], b [32,8] and wrapping i32 c, d.
  llvm::SmallVector<Value, 4> mmaS8(mlir::ValueRange a, mlir::ValueRange b, mlir::ValueRange c);
  /// The same with signed 4-bit a [16,64], b [64,8]; in hardware only where Chip::hasMmaS4.
  llvm::SmallVector<Value, 4> mmaS4(mlir::ValueRange a, mlir::ValueRange b, mlir::ValueRange c);
  /// d = a·b + c with f16 or bf16 a [16,16], b [16,8] in words and f32 c, d.
  llvm::SmallVector<Value, 4> mmaF16(mlir::ValueRange a, mlir::ValueRange b, mlir::ValueRange c,
                                     bool bfloat);

  // Products of a warpgroup, sm_90a: asynchronous, from shared memory. What they read must be
  // written before a fenceAsyncProxy of the writing thread and a barrier. The sums are one value of
  // `count` words until wgmmaFinish; nothing but wgmmaS8 may use it.
  Value zeroSums(int64_t count);
  /// d = a·b + c with signed 8-bit a [64,32], b [32,n] in shared memory, given by descriptors.
  Value wgmmaS8(Value sums, Value descriptorA, Value descriptorB, int64_t n);
  /// Before the first wgmma, and whenever registers of the sums were written by others: the sums.
  Value wgmmaFence(Value sums) { return updateSums(sums, "wgmma.fence.sync.aligned;", {}); }
  void wgmmaCommit() { mlir::NVVM::WgmmaGroupSyncAlignedOp::create(*this); }
  /// Waits until at most `pending` committed groups are under way.
  void wgmmaWait(unsigned pending) {
    mlir::NVVM::WgmmaWaitGroupSyncOp::create(*this, getI64IntegerAttr(pending));
  }
  /// Waits for all of them: the sums.
  llvm::SmallVector<Value> wgmmaFinish(Value sums);
  /// Orders this thread's writes to shared memory before reads by wgmma.
  void fenceAsyncProxy();

  /// for (i = 0; i < count; ++i), never unrolled, with the values that the body hands on.
  llvm::SmallVector<Value>
  loop(Value count, mlir::ValueRange init,
       llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body);

private:
  Value updateSums(Value sums, llvm::StringRef text, mlir::ValueRange operands);
  llvm::SmallVector<Value, 4> mmaInteger(mlir::NVVM::MMATypes type, int64_t depth,
                                         mlir::ValueRange a, mlir::ValueRange b,
                                         mlir::ValueRange c);
  Value asPair(Value word, bool bfloat);
  Value asWord(Value pair);
  Value inlineAsm(mlir::TypeRange result, llvm::StringRef text, llvm::StringRef constraints,
                  mlir::ValueRange operands, bool sideEffects);
  mlir::LLVM::LLVMPointerType pointer(unsigned space) {
    return mlir::LLVM::LLVMPointerType::get(getContext(), space);
  }
  llvm::SmallVector<Value, 4> members(Value structure, unsigned count);
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_KERNELBUILDER_H
