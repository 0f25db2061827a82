// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelBuilder.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

Value KernelBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(static_cast<int32_t>(value)));
}

Value KernelBuilder::div(Value a, int64_t b) {
  if (llvm::isPowerOf2_64(b))
    return shiftRight(a, llvm::Log2_64(b));
  return createOrFold<arith::DivUIOp>(a, i32(b));
}

Value KernelBuilder::rem(Value a, int64_t b) {
  if (llvm::isPowerOf2_64(b))
    return bitAnd(a, b - 1);
  return createOrFold<arith::RemUIOp>(a, i32(b));
}

Value KernelBuilder::wideMul(Value a, int64_t b) {
  Value wide = createOrFold<arith::ExtSIOp>(getI64Type(), a);
  return createOrFold<arith::MulIOp>(
      wide, arith::ConstantOp::create(*this, getI64IntegerAttr(b)).getResult());
}

Value KernelBuilder::wideMul(Value a, Value b) {
  auto wide = [&](Value value) -> Value {
    return value.getType() == getI64Type() ? value
                                           : createOrFold<arith::ExtSIOp>(getI64Type(), value);
  };
  return createOrFold<arith::MulIOp>(wide(a), wide(b));
}

Value KernelBuilder::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, a, b);
}

Value KernelBuilder::equal(Value a, int64_t b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, a, i32(b));
}

Value KernelBuilder::inlineAsm(TypeRange result, StringRef text, StringRef constraints,
                               ValueRange operands, bool sideEffects) {
  return LLVM::InlineAsmOp::create(
             *this, result, operands, text, constraints, sideEffects, /*is_align_stack=*/false,
             LLVM::TailCallKind::None,
             LLVM::AsmDialectAttr::get(getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
      .getRes();
}

Value KernelBuilder::lop3(Value a, Value b, Value c, unsigned table) {
  // LLVM would split a constant function of two constants; ptxas would not join it again.
  std::string text = "lop3.b32 $0, $1, $2, $3, " + std::to_string(table) + ";";
  auto constraint = [](Value v) { return getConstantIntValue(v) ? ",n" : ",r"; };
  std::string constraints = std::string("=r") + constraint(a) + constraint(b) + constraint(c);
  return inlineAsm(getI32Type(), text, constraints, {a, b, c}, /*sideEffects=*/false);
}

Value KernelBuilder::permute(Value a, Value b, unsigned selector) {
  std::string text = "prmt.b32 $0, $1, $2, " + std::to_string(selector) + ";";
  std::string constraints = std::string("=r,r,") + (getConstantIntValue(b) ? "n" : "r");
  return inlineAsm(getI32Type(), text, constraints, {a, b}, /*sideEffects=*/false);
}

Value KernelBuilder::asPair(Value word, bool bfloat) {
  auto type = VectorType::get(2, bfloat ? Type(getBF16Type()) : Type(getF16Type()));
  return LLVM::BitcastOp::create(*this, type, word);
}

Value KernelBuilder::asWord(Value pair) {
  return LLVM::BitcastOp::create(*this, getI32Type(), pair);
}

Value KernelBuilder::splatPair(float value, bool bfloat) {
  llvm::APFloat number(value);
  bool exact;
  number.convert(bfloat ? llvm::APFloat::BFloat() : llvm::APFloat::IEEEhalf(),
                 llvm::APFloat::rmNearestTiesToEven, &exact);
  uint32_t bits = number.bitcastToAPInt().getZExtValue();
  return i32(bits << 16 | bits);
}

Value KernelBuilder::fmaPair(Value a, Value b, Value c, bool bfloat) {
  return asWord(
      LLVM::FMAOp::create(*this, asPair(a, bfloat), asPair(b, bfloat), asPair(c, bfloat)));
}

// Before sm_90 bfloat has only fma; x·1 + y and x·y − 0 round as x + y and x·y do.
Value KernelBuilder::addPair(Value a, Value b, bool bfloat) {
  if (bfloat)
    return fmaPair(a, splatPair(1, true), b, true);
  return asWord(LLVM::FAddOp::create(*this, asPair(a, false), asPair(b, false)));
}

Value KernelBuilder::subPair(Value a, Value b, bool bfloat) {
  if (bfloat)
    return fmaPair(b, splatPair(-1, true), a, true);
  return asWord(LLVM::FSubOp::create(*this, asPair(a, false), asPair(b, false)));
}

Value KernelBuilder::mulPair(Value a, Value b, bool bfloat) {
  if (bfloat)
    return fmaPair(a, b, splatPair(-0.0f, true), true);
  return asWord(LLVM::FMulOp::create(*this, asPair(a, false), asPair(b, false)));
}

Value KernelBuilder::f32(float value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(value));
}

Value KernelBuilder::f64(double value) {
  return arith::ConstantOp::create(*this, getF64FloatAttr(value));
}

Value KernelBuilder::toFloat(Value value, Type type) {
  if (value.getType() == type)
    return value;
  if (isa<IntegerType>(value.getType()))
    return arith::SIToFPOp::create(*this, type, value);
  if (value.getType().getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(*this, type, value);
  return arith::TruncFOp::create(*this, type, value);
}

Value KernelBuilder::threadId(unsigned threads) {
  auto range = LLVM::ConstantRangeAttr::get(getContext(), 32, 0, threads);
  return NVVM::ThreadIdXOp::create(*this, getI32Type(), range);
}

Value KernelBuilder::blockId() {
  return NVVM::BlockIdXOp::create(*this, getI32Type(), LLVM::ConstantRangeAttr());
}

Value KernelBuilder::gridSize() {
  return NVVM::GridDimXOp::create(*this, getI32Type(), LLVM::ConstantRangeAttr());
}

Value KernelBuilder::barrierAny(Value condition) {
  auto any = NVVM::BarrierReductionAttr::get(getContext(), NVVM::BarrierReduction::OR);
  Value word = arith::ExtUIOp::create(*this, getI32Type(), condition);
  Value result =
      NVVM::BarrierOp::create(*this, TypeRange(getI32Type()), Value(), Value(), any, word)
          .getResult(0);
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ne, result, i32(0));
}

Value KernelBuilder::exchange(Value word, unsigned mask) {
  return NVVM::ShflOp::create(*this, getI32Type(), i32(-1), word, i32(mask), i32(31),
                              NVVM::ShflKindAttr::get(getContext(), NVVM::ShflKind::bfly),
                              UnitAttr());
}

Value KernelBuilder::offset(Value pointer, Value bytes) {
  if (std::optional<int64_t> constant = getConstantIntValue(bytes))
    return offset(pointer, *constant);
  return LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}

Value KernelBuilder::offset(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  if (bytes != static_cast<int32_t>(bytes)) {
    Value wide = arith::ConstantOp::create(*this, getI64IntegerAttr(bytes));
    return LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                               ArrayRef<LLVM::GEPArg>{wide});
  }
  return LLVM::GEPOp::create(*this, pointer.getType(), getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value KernelBuilder::load(Type type, Value pointer, unsigned alignment) {
  return LLVM::LoadOp::create(*this, type, pointer, alignment);
}

Value KernelBuilder::loadConstant(Type type, Value pointer, unsigned alignment) {
  return LLVM::LoadOp::create(*this, type, pointer, alignment, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, /*isInvariant=*/true);
}

void KernelBuilder::store(Value value, Value pointer, unsigned alignment) {
  LLVM::StoreOp::create(*this, value, pointer, alignment);
}

// LLVM 22 drops the ordering of an atomicrmw on its way to PTX.
Value KernelBuilder::atomicAdd(Value pointer, Value word) {
  return inlineAsm(getI32Type(), "atom.acq_rel.gpu.global.add.u32 $0, [$1], $2;",
                   "=r,l,r,~{memory}", {pointer, word}, /*sideEffects=*/true);
}

void KernelBuilder::copyAsync(Value shared, Value global, unsigned bytes, Value count,
                              Value condition) {
  if (condition) {
    std::string text = std::string("@$0 cp.async.") + (bytes == 16 ? "cg" : "ca") +
                       ".shared.global [$1], [$2], " + std::to_string(bytes) + ", $3;";
    Value address = LLVM::PtrToIntOp::create(*this, getI32Type(), shared);
    inlineAsm(TypeRange(), text, "b,r,l,r,~{memory}", {condition, address, global, count},
              /*sideEffects=*/true);
    return;
  }
  auto modifier = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(*this, shared, global, getI32IntegerAttr(bytes),
                          NVVM::LoadCacheModifierKindAttr::get(getContext(), modifier), count);
}

SmallVector<Value, 4> KernelBuilder::members(Value structure, unsigned count) {
  SmallVector<Value, 4> values;
  for (unsigned i = 0; i < count; ++i)
    values.push_back(LLVM::ExtractValueOp::create(*this, structure, i));
  return values;
}

SmallVector<Value, 4> KernelBuilder::loadMatrices(Value shared) {
  MLIRContext *context = getContext();
  auto words = LLVM::LLVMStructType::getLiteral(context, SmallVector<Type>(4, getI32Type()));
  Value result = NVVM::LdMatrixOp::create(
      *this, words, shared, getI32IntegerAttr(4),
      NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::row),
      NVVM::LdStMatrixShapeAttr::get(context, 8, 8),
      NVVM::LdStMatrixEltTypeAttr::get(context, NVVM::LdStMatrixEltType::B16));
  return members(result, 4);
}

SmallVector<Value, 4> KernelBuilder::mmaInteger(NVVM::MMATypes element, int64_t depth, ValueRange a,
                                                ValueRange b, ValueRange c) {
  auto type = LLVM::LLVMStructType::getLiteral(getContext(), SmallVector<Type>(4, getI32Type()));
  Value d = NVVM::MmaOp::create(*this, type, a, b, c, ArrayRef<int64_t>{16, 8, depth}, std::nullopt,
                                NVVM::MMAIntOverflow::wrapped, std::array{element, element},
                                std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  return members(d, 4);
}

SmallVector<Value, 4> KernelBuilder::mmaS8(ValueRange a, ValueRange b, ValueRange c) {
  return mmaInteger(NVVM::MMATypes::s8, 32, a, b, c);
}

SmallVector<Value, 4> KernelBuilder::mmaS4(ValueRange a, ValueRange b, ValueRange c) {
  return mmaInteger(NVVM::MMATypes::s4, 64, a, b, c);
}

SmallVector<Value, 4> KernelBuilder::mmaF16(ValueRange a, ValueRange b, ValueRange c, bool bfloat) {
  auto type = LLVM::LLVMStructType::getLiteral(getContext(), SmallVector<Type>(4, getF32Type()));
  auto cast = [&](ValueRange words) {
    if (bfloat) // NVVM's bf16 fragments are words.
      return SmallVector<Value>(words);
    SmallVector<Value> pairs;
    for (Value word : words)
      pairs.push_back(LLVM::BitcastOp::create(*this, VectorType::get(2, getF16Type()), word));
    return pairs;
  };
  auto element = bfloat ? NVVM::MMATypes::bf16 : NVVM::MMATypes::f16;
  Value d = NVVM::MmaOp::create(*this, type, cast(a), cast(b), c, ArrayRef<int64_t>{16, 8, 16},
                                std::nullopt, std::nullopt, std::array{element, element},
                                std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  return members(d, 4);
}

static LLVM::LLVMStructType sumsType(MLIRContext *context, int64_t count) {
  SmallVector<Type> words(count, IntegerType::get(context, 32));
  return LLVM::LLVMStructType::getLiteral(context, words);
}

Value KernelBuilder::zeroSums(int64_t count) {
  return LLVM::ZeroOp::create(*this, sumsType(getContext(), count));
}

/// An instruction through which the words of `sums` go, changed in place or only put in order with
/// it: neither what wrote them nor what reads them is scheduled across it. It takes `operands`
/// (i64) beside them, as $`count` and so on.
Value KernelBuilder::updateSums(Value sums, StringRef text, ValueRange operands) {
  int64_t count = cast<LLVM::LLVMStructType>(sums.getType()).getBody().size();
  std::string constraints;
  SmallVector<Value> inputs(operands);
  for (int64_t i = 0; i < count; ++i)
    constraints += "=r,";
  for (size_t i = 0; i < operands.size(); ++i)
    constraints += "l,";
  for (int64_t i = 0; i < count; ++i) {
    constraints += std::to_string(i) + ",";
    inputs.push_back(LLVM::ExtractValueOp::create(*this, sums, i));
  }
  return inlineAsm(sums.getType(), text, constraints + "~{memory}", inputs, /*sideEffects=*/true);
}

Value KernelBuilder::wgmmaS8(Value sums, Value descriptorA, Value descriptorB, int64_t n) {
  int64_t count = n / 2;
  std::string text = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k32.s32.s8.s8 {";
  for (int64_t i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(i);
  text += "}, $" + std::to_string(count) + ", $" + std::to_string(count + 1) + ", 1;";
  return updateSums(sums, text, {descriptorA, descriptorB});
}

SmallVector<Value> KernelBuilder::wgmmaFinish(Value sums) {
  Value waited = updateSums(sums, "wgmma.wait_group.sync.aligned 0;", {});
  SmallVector<Value> words;
  for (size_t i = 0; i < cast<LLVM::LLVMStructType>(sums.getType()).getBody().size(); ++i)
    words.push_back(LLVM::ExtractValueOp::create(*this, waited, i));
  return words;
}

void KernelBuilder::fenceAsyncProxy() {
  NVVM::FenceProxyOp::create(
      *this, NVVM::ProxyKindAttr::get(getContext(), NVVM::ProxyKind::async_shared),
      NVVM::SharedSpaceAttr::get(getContext(), NVVM::SharedSpace::shared_cta));
}

SmallVector<Value>
KernelBuilder::loop(Value count, ValueRange init,
                    llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(*this, i32(0), count, i32(1), init);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  // LLVM keeps llvm.loop.unroll.disable to itself here; ptxas would unroll short bodies a hundred
  // times.
  inlineAsm(TypeRange(), ".pragma \"nounroll\";", "", {}, /*sideEffects=*/true);
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty()) // without values the loop has its terminator already
    scf::YieldOp::create(*this, next);
  return SmallVector<Value>(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}
