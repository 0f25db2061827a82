// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A row's values are read once, with vector loads, and stay in registers as float32 from the norm's
// sums to the codes. Short rows take a warp each, longer ones a block.
//
// Codes are rounded by adding 1.5·2^23: the sum's lowest byte is the code before its zero point.

#include "ptq/Kernels/ActivationQuantization.h"

#include "KernelFunction.h"
#include "RowReduction.h"

#include <cfloat>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace ptq::kernels;

using Norm = ActivationQuantizationSpec::Norm;

static int64_t bytesOf(Type type) { return type ? type.getIntOrFloatBitWidth() / 8 : 1; }

std::optional<RowDivision> ptq::kernels::divideRows(const ActivationQuantizationSpec &spec) {
  constexpr int64_t maxColumns = 64, usualThreads = 256, maxThreads = 512, warpVectors = 4;
  constexpr int64_t warpRows = 4;
  int64_t widest = std::max({bytesOf(spec.inputType), bytesOf(spec.channelScaleType),
                             bytesOf(spec.gammaType), bytesOf(spec.betaType)});
  int64_t width = 16 / widest;
  while (spec.k % width)
    width /= 2;
  int64_t vectors = spec.k / width;
  if (vectors <= 32 * warpVectors)
    return RowDivision{width, 32, (vectors + 31) / 32, warpRows};
  for (int64_t threads : {usualThreads, maxThreads}) {
    int64_t perThread = (vectors + threads - 1) / threads;
    if (perThread * width > maxColumns)
      continue;
    int64_t rowThreads = llvm::divideCeil(llvm::divideCeil(vectors, perThread), 32) * 32;
    return RowDivision{width, rowThreads, perThread, 1};
  }
  return std::nullopt;
}

static int64_t reductions(const ActivationQuantizationSpec &spec) {
  int64_t sums = spec.norm == Norm::None ? 0 : spec.norm == Norm::RMS ? 1 : 2;
  return sums + (spec.dynamic ? (spec.symmetric ? 1 : 2) : 0);
}

int64_t ptq::kernels::sharedBytes(const ActivationQuantizationSpec &spec) {
  return RowReduction::sharedBytes(divideRows(spec)->threadsPerRow, reductions(spec));
}

namespace {

/// Float operations as instructions.
struct FloatBuilder {
  KernelBuilder &k;

  Value add(Value a, Value b) { return arith::AddFOp::create(k, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(k, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(k, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(k, a, b); }
  Value fma(Value a, Value b, Value c) { return LLVM::FMAOp::create(k, a, b, c); }
  // llvm.intr.fabs and sqrt would be calls of libdevice in NVVM's lowering.
  Value abs(Value a) {
    Value word = LLVM::BitcastOp::create(k, k.getI32Type(), a);
    return LLVM::BitcastOp::create(k, k.getF32Type(), k.bitAnd(word, 0x7fffffff));
  }
  Value sqrt(Value a) {
    return LLVM::CallIntrinsicOp::create(k, k.getF32Type(), k.getStringAttr("llvm.nvvm.sqrt.rn.f"),
                                         a)
        .getResults();
  }
  /// NaN where one is.
  Value minimum(Value a, Value b) { return LLVM::MinimumOp::create(k, a, b); }
  Value maximum(Value a, Value b) { return LLVM::MaximumOp::create(k, a, b); }
  /// The number where one is NaN.
  Value clamp(Value a, Value lo, Value hi) {
    return LLVM::MinNumOp::create(k, LLVM::MaxNumOp::create(k, a, lo).getResult(), hi);
  }
  Value isFinite(Value a) {
    return arith::CmpFOp::create(k, arith::CmpFPredicate::OLE, abs(a), k.f32(FLT_MAX));
  }
  Value isNumber(Value a) { return arith::CmpFOp::create(k, arith::CmpFPredicate::ORD, a, a); }
};

struct Arguments {
  Value x, channelScales, gamma, beta, scales, zeroPoints, codes;
};

/// What divides a row's values and is added to their codes.
struct RowParameters {
  Value scale;
  Value zeroPoint; ///< i32; null: 0
  Value low, high; ///< of a code before its zero point, f32
};

class RowQuantizer {
public:
  RowQuantizer(KernelBuilder &k, const ActivationQuantizationSpec &spec, const Arguments &arguments,
               Value row, Value thread, Value shared)
      : k(k), f{k}, spec(spec), division(*divideRows(spec)), arguments(arguments), row(row),
        thread(thread), reduction(k, thread, division.threadsPerRow, shared) {}

  void run();

private:
  using Columns = SmallVector<Value, 8>;

  int64_t vectors() const { return spec.k / division.columnsPerVector; }
  /// Whether all threads have a vector `i`.
  bool isWhole(int64_t i) const { return (i + 1) * division.threadsPerRow <= vectors(); }
  Value vectorIndex(int64_t i) { return k.add(thread, i * division.threadsPerRow); }
  Columns load(Value pointer, Type type, Value vector);
  void readRow();
  Value sum(llvm::function_ref<Value(Value)> term);
  void normalize();
  void scaleChannels();
  RowParameters computeParameters();
  RowParameters readParameters();
  void setRange(RowParameters &parameters);
  Value code(Value value, const RowParameters &parameters);
  void store(const Columns &codes, Value pointer);

  /// The integer nearest to a small value, plus the bits of 1.5·2^23.
  Value roundToWord(Value value) {
    return LLVM::BitcastOp::create(k, k.getI32Type(), f.add(value, k.f32(12582912.0f)));
  }
  double half() const { return 1 << (spec.bits - 1); }

  KernelBuilder &k;
  FloatBuilder f;
  const ActivationQuantizationSpec &spec;
  RowDivision division;
  Arguments arguments;
  Value row, thread;
  RowReduction reduction;
  /// Of each of the thread's vectors; its number, which is the last one's where there is no more.
  SmallVector<Columns> values;
  SmallVector<Value> numbers;
};

} // namespace

RowQuantizer::Columns RowQuantizer::load(Value pointer, Type type, Value vector) {
  int64_t width = division.columnsPerVector, bytes = width * bytesOf(type);
  Value from = k.offset(pointer, k.mul(vector, bytes));
  Columns columns;
  if (width == 1) {
    columns.push_back(k.toFloat(k.loadConstant(type, from, bytes), k.getF32Type()));
    return columns;
  }
  Value loaded = k.loadConstant(VectorType::get(width, type), from, bytes);
  for (int64_t j = 0; j < width; ++j)
    columns.push_back(
        k.toFloat(LLVM::ExtractElementOp::create(k, loaded, k.i32(j)), k.getF32Type()));
  return columns;
}

void RowQuantizer::readRow() {
  Value start = k.offset(arguments.x, k.wideMul(row, spec.k * bytesOf(spec.inputType)));
  for (int64_t i = 0; i < division.vectorsPerThread; ++i) {
    Value number = vectorIndex(i);
    // A thread without a vector reads one that another reads: no branch, and no other sector.
    if (!isWhole(i))
      number = k.minimum(number, k.i32(vectors() - 1));
    numbers.push_back(number);
    values.push_back(load(start, spec.inputType, number));
  }
}

/// Σ term(v), in float64.
Value RowQuantizer::sum(llvm::function_ref<Value(Value)> term) {
  Value total = k.f64(0);
  for (auto [i, columns] : llvm::enumerate(values)) {
    Value inside = isWhole(i) ? Value() : k.less(vectorIndex(i), vectors());
    for (Value value : columns) {
      Value next = f.add(total, k.toFloat(term(value), k.getF64Type()));
      total = inside ? k.select(inside, next, total) : next;
    }
  }
  return reduction.reduce(total, [&](Value a, Value b) { return f.add(a, b); });
}

void RowQuantizer::normalize() {
  Type f32 = k.getF32Type(), f64 = k.getF64Type();
  Value count = k.f32(spec.k), variance;
  if (spec.norm == Norm::Layer) {
    Value total = sum([](Value v) { return v; });
    if (spec.wideVariance) {
      Value mean = f.div(total, k.f64(spec.k));
      Value squares = sum([&](Value v) -> Value {
        Value centred = f.sub(k.toFloat(v, f64), mean);
        return f.mul(centred, centred);
      });
      variance = k.toFloat(f.div(squares, k.f64(spec.k)), f32);
    }
    Value mean = f.div(k.toFloat(total, f32), count);
    for (Columns &columns : values)
      for (Value &value : columns)
        value = f.sub(value, mean);
  }
  if (!variance) {
    Value squares = sum([&](Value v) { return f.mul(v, v); });
    variance = f.div(k.toFloat(squares, f32), count);
  }
  Value factor = f.div(k.f32(1), f.sqrt(f.add(variance, k.f32(spec.epsilon))));
  auto rounded = [&](Value value, Type type) {
    return type ? k.toFloat(k.toFloat(value, type), f32) : value;
  };
  for (auto [number, columns] : llvm::zip_equal(numbers, values)) {
    Columns gamma, beta;
    if (spec.gammaType)
      gamma = load(arguments.gamma, spec.gammaType, number);
    if (spec.betaType)
      beta = load(arguments.beta, spec.betaType, number);
    for (auto [j, value] : llvm::enumerate(columns)) {
      value = rounded(f.mul(value, factor), spec.normalizedType);
      if (!gamma.empty())
        value = f.mul(value, gamma[j]);
      if (!beta.empty())
        value = f.add(value, beta[j]);
      value = rounded(value, spec.resultType);
    }
  }
}

void RowQuantizer::scaleChannels() {
  for (auto [number, columns] : llvm::zip_equal(numbers, values))
    for (auto [value, scale] :
         llvm::zip_equal(columns, load(arguments.channelScales, spec.channelScaleType, number)))
      value = f.mul(value, scale);
}

RowParameters RowQuantizer::computeParameters() {
  Value least = k.f32(0), greatest = k.f32(0);
  // Vectors read twice change no extremum.
  for (Columns &columns : values)
    for (Value value : columns) {
      if (!spec.symmetric)
        least = f.minimum(least, value);
      greatest = f.maximum(greatest, spec.symmetric ? f.abs(value) : value);
    }
  greatest = reduction.reduce(greatest, [&](Value a, Value b) { return f.maximum(a, b); });
  Value scale;
  if (spec.symmetric) {
    scale = f.div(greatest, k.f32(half() - 1));
  } else {
    least = reduction.reduce(least, [&](Value a, Value b) { return f.minimum(a, b); });
    Value magnitude = f.maximum(greatest, f.sub(k.f32(0), least));
    // Halves, since hi − lo may overflow; exact otherwise.
    Value span = f.sub(f.mul(greatest, k.f32(0.5f)), f.mul(least, k.f32(0.5f)));
    scale = k.select(f.isFinite(magnitude), f.div(span, k.f32(half() - 0.5)), magnitude);
  }
  scale = f.maximum(scale, k.f32(FLT_MIN));
  Value zeroPoint;
  if (!spec.symmetric) {
    Value ratio = f.div(LLVM::FNegOp::create(k, least), scale);
    Value clamped = f.clamp(ratio, k.f32(0), k.f32(2 * half() - 1));
    zeroPoint = k.sub(roundToWord(clamped), k.i32(0x4b400000 + half()));
  }
  Value stored = k.toFloat(scale, spec.scaleType);
  k.ifThen(k.equal(thread, 0), [&] {
    unsigned bytes = bytesOf(spec.scaleType);
    k.store(stored, k.offset(arguments.scales, k.wideMul(row, bytes)), bytes);
    if (!zeroPoint)
      return;
    bytes = bytesOf(spec.zeroPointType);
    Value z = zeroPoint;
    if (bytes == 1)
      z = arith::TruncIOp::create(k, k.getI8Type(), z);
    k.store(z, k.offset(arguments.zeroPoints, k.wideMul(row, bytes)), bytes);
  });
  return {k.toFloat(stored, k.getF32Type()), zeroPoint, {}, {}};
}

RowParameters RowQuantizer::readParameters() {
  auto read = [&](Value pointer, Type type) -> Value {
    unsigned bytes = bytesOf(type);
    return k.loadConstant(type, spec.perToken ? k.offset(pointer, k.wideMul(row, bytes)) : pointer,
                          bytes);
  };
  RowParameters parameters;
  parameters.scale = k.toFloat(read(arguments.scales, spec.scaleType), k.getF32Type());
  if (spec.zeroPointType) {
    parameters.zeroPoint = read(arguments.zeroPoints, spec.zeroPointType);
    if (spec.zeroPointType.isInteger(8))
      parameters.zeroPoint = arith::ExtSIOp::create(k, k.getI32Type(), parameters.zeroPoint);
  }
  return parameters;
}

void RowQuantizer::setRange(RowParameters &parameters) {
  parameters.low = k.f32(-half());
  parameters.high = k.f32(half() - 1);
  if (parameters.zeroPoint) {
    Value zero = k.toFloat(parameters.zeroPoint, k.getF32Type());
    parameters.low = f.sub(parameters.low, zero);
    parameters.high = f.sub(parameters.high, zero);
  }
}

Value RowQuantizer::code(Value value, const RowParameters &parameters) {
  Value ratio = f.div(value, parameters.scale);
  ratio = k.select(f.isNumber(ratio), ratio, k.f32(0));
  // Clamping before rounding changes nothing, the bounds being integers.
  Value clamped = f.clamp(ratio, parameters.low, parameters.high);
  Value sum = roundToWord(clamped);
  return parameters.zeroPoint ? k.add(sum, parameters.zeroPoint) : sum;
}

void RowQuantizer::store(const Columns &codes, Value pointer) {
  // The lowest bytes of four words.
  auto pack = [&](ArrayRef<Value> words) -> Value {
    Value low = k.permute(words[0], words[1], 0x0040);
    if (words.size() == 2)
      return arith::TruncIOp::create(k, k.getIntegerType(16), low);
    return k.permute(low, k.permute(words[2], words[3], 0x0040), 0x5410);
  };
  if (codes.size() == 1) {
    k.store(arith::TruncIOp::create(k, k.getI8Type(), codes[0]), pointer, 1);
    return;
  }
  if (codes.size() <= 4) {
    k.store(pack(codes), pointer, codes.size());
    return;
  }
  Value words = LLVM::UndefOp::create(k, VectorType::get(2, k.getI32Type()));
  for (int64_t i : {0, 1})
    words =
        LLVM::InsertElementOp::create(k, words, pack(ArrayRef(codes).slice(4 * i, 4)), k.i32(i));
  k.store(words, pointer, 8);
}

void RowQuantizer::run() {
  readRow();
  if (spec.norm != Norm::None)
    normalize();
  if (spec.channelScaleType)
    scaleChannels();
  RowParameters parameters = spec.dynamic ? computeParameters() : readParameters();
  setRange(parameters);
  Value start = k.offset(arguments.codes, k.wideMul(row, spec.k));
  for (auto [i, columns] : llvm::enumerate(values)) {
    Columns codes;
    for (Value value : columns)
      codes.push_back(code(value, parameters));
    Value pointer = k.offset(start, k.mul(numbers[i], division.columnsPerVector));
    if (isWhole(i))
      store(codes, pointer);
    else
      k.ifThen(k.less(vectorIndex(i), vectors()), [&] { store(codes, pointer); });
  }
}

gpu::GPUFuncOp ptq::kernels::emitActivationQuantization(gpu::GPUModuleOp module, StringRef name,
                                                        const ActivationQuantizationSpec &spec) {
  RowDivision division = *divideRows(spec);
  SmallVector<Value Arguments::*> order{&Arguments::x};
  SmallVector<Argument> kinds{Argument::Input};
  auto declare = [&](bool present, Value Arguments::*member, Argument kind) {
    if (!present)
      return;
    order.push_back(member);
    kinds.push_back(kind);
  };
  auto parameters = spec.dynamic ? Argument::Output : Argument::Input;
  declare(bool(spec.channelScaleType), &Arguments::channelScales, Argument::Input);
  declare(bool(spec.gammaType), &Arguments::gamma, Argument::Input);
  declare(bool(spec.betaType), &Arguments::beta, Argument::Input);
  declare(spec.dynamic, &Arguments::codes, Argument::Output);
  declare(true, &Arguments::scales, parameters);
  declare(bool(spec.zeroPointType), &Arguments::zeroPoints, parameters);
  declare(!spec.dynamic, &Arguments::codes, Argument::Output);
  kinds.push_back(Argument::Number);

  gpu::GPUFuncOp function = createKernel(module, name, kinds, division.threads());
  KernelBuilder k(module.getLoc(), module.getContext());
  k.setInsertionPointToStart(&function.getBody().front());
  Arguments arguments;
  for (auto [index, member] : llvm::enumerate(order))
    arguments.*member = function.getArgument(index);
  Value rowCount = function.getArgument(kinds.size() - 1);

  Value thread = k.threadId(division.threads()), row = k.blockId();
  if (division.rowsPerBlock == 1) {
    Value shared = sharedBytes(spec) ? dynamicShared(k, module) : Value();
    RowQuantizer(k, spec, arguments, row, thread, shared).run();
  } else {
    row = k.add(k.mul(row, division.rowsPerBlock), k.div(thread, division.threadsPerRow));
    thread = k.rem(thread, division.threadsPerRow);
    k.ifThen(k.less(row, rowCount),
             [&] { RowQuantizer(k, spec, arguments, row, thread, Value()).run(); });
  }
  gpu::ReturnOp::create(k);
  return function;
}
