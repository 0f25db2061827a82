// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Execution/Samples.h"

#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/ActivationRounding.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace ptq::execution {

using checkpoint::DType;

std::optional<DType> getDType(Type type) {
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF32())
    return DType::F32;
  if (type.isF64())
    return DType::F64;
  if (isa<Float8E4M3FNType>(type))
    return DType::F8E4M3;
  if (isa<Float8E5M2Type>(type))
    return DType::F8E5M2;
  if (type.isIndex())
    return DType::I64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || !elementBytes(type))
    return std::nullopt;
  if (integer.getWidth() == 1)
    return DType::Bool;
  bool isUnsigned = integer.isUnsigned();
  switch (*elementBytes(type)) {
  case 1:
    return isUnsigned ? DType::U8 : DType::I8;
  case 2:
    return isUnsigned ? DType::U16 : DType::I16;
  case 4:
    return isUnsigned ? DType::U32 : DType::I32;
  default:
    return isUnsigned ? DType::U64 : DType::I64;
  }
}

Type getElementType(DType dtype, MLIRContext *context) {
  Builder builder(context);
  switch (dtype) {
  case DType::Bool:
    return builder.getI1Type();
  case DType::F16:
    return builder.getF16Type();
  case DType::BF16:
    return builder.getBF16Type();
  case DType::F32:
    return builder.getF32Type();
  case DType::F64:
    return builder.getF64Type();
  case DType::F8E4M3:
    return Float8E4M3FNType::get(context);
  case DType::F8E5M2:
    return Float8E5M2Type::get(context);
  default:
    return builder.getIntegerType(checkpoint::byteWidth(dtype) * 8);
  }
}

/// Integers are signless in the IR: a file may hold either sign.
static bool isSameType(DType stored, Type type) {
  auto wanted = getDType(type);
  if (!wanted)
    return false;
  return *wanted == stored ||
         (checkpoint::byteWidth(stored) == checkpoint::byteWidth(*wanted) && !isFloat(stored) &&
          !isFloat(*wanted) && stored != DType::Bool && *wanted != DType::Bool);
}

std::string getArgumentName(func::FuncOp function, unsigned index) {
  for (StringRef attribute : {"ptq.parameter", "ptq.input"})
    if (auto name = function.getArgAttrOfType<StringAttr>(index, attribute))
      return name.str();
  return "arg" + std::to_string(index);
}

std::string getResultName(func::FuncOp function, unsigned index) {
  if (auto name = function.getResultAttrOfType<StringAttr>(index, "ptq.output"))
    return name.str();
  return function.getNumResults() == 1 ? "output" : "output." + std::to_string(index);
}

static bool matches(RankedTensorType type, ArrayRef<int64_t> shape) {
  if (type.getRank() != static_cast<int64_t>(shape.size()))
    return false;
  for (auto [declared, size] : llvm::zip(type.getShape(), shape))
    if (!ShapedType::isDynamic(declared) && declared != size)
      return false;
  return true;
}

static std::string toText(DType dtype, ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << toString(dtype) << " [";
  llvm::interleaveComma(shape, stream);
  stream << "]";
  return text;
}

/// Floats as symmetric integers, and the scales of their rows.
static std::pair<Tensor, Tensor> quantizeRows(const Tensor &floats, unsigned bits, Type integers,
                                              Type scaleType) {
  ArrayRef<int64_t> shape = floats.type.getShape();
  int64_t columns = shape.back(), rows = columns ? floats.numElements() / columns : 0;
  std::vector<float> values(floats.numElements()), scales(rows);
  convertToFloat(floats, values);
  std::vector<int8_t> codes(values.size());
  numerics::ConstMatrix matrix(values.data(), rows, columns);
  numerics::ActivationScheme scheme{bits, /*symmetric=*/true};
  numerics::computeTokenParameters(matrix, {}, scheme, scales, {});
  numerics::quantizeActivations(matrix, {}, scheme, scales, {},
                                numerics::MatrixRef<int8_t>(codes.data(), rows, columns));
  auto bytes = [](const auto &data) {
    return ArrayRef(reinterpret_cast<const char *>(data.data()), data.size() * sizeof(data[0]));
  };
  return {copyToTensor(RankedTensorType::get(shape, integers), bytes(codes)),
          copyToTensor(RankedTensorType::get(shape.drop_back(), scaleType), bytes(scales))};
}

/// The scheme of an int8 argument whose scales, in float32, are the next one, if files may have the
/// floats it is made of.
static SchemeAttr quantizedInput(func::FuncOp function, unsigned index) {
  auto scheme = function.getArgAttrOfType<SchemeAttr>(index, kQuantizedInputAttr);
  if (!scheme || !scheme.getSymmetric() || scheme.getGranularity() != Granularity::PerToken ||
      index + 1 == function.getNumArguments())
    return {};
  auto codes = dyn_cast<RankedTensorType>(function.getArgumentTypes()[index]);
  auto scales = dyn_cast<RankedTensorType>(function.getArgumentTypes()[index + 1]);
  bool fits = codes && scales && codes.getElementType().isInteger(8) &&
              scales.getElementType().isF32() && codes.getRank() == scales.getRank() + 1 &&
              scales.getShape() == codes.getShape().drop_back();
  return fits ? scheme : SchemeAttr();
}

llvm::Expected<SampleSet> SampleSet::open(func::FuncOp function,
                                          std::shared_ptr<const checkpoint::Checkpoint> parameters,
                                          std::shared_ptr<const checkpoint::Checkpoint> inputs) {
  SampleSet set;
  std::optional<int64_t> stacked;
  std::string stackedName;
  std::vector<std::string> problems;
  std::optional<Argument> scales; // Of the argument before.
  for (unsigned index = 0; index != function.getNumArguments(); ++index) {
    if (scales) {
      set.arguments.push_back(std::move(*scales));
      scales.reset();
      continue;
    }
    std::string name = getArgumentName(function, index);
    bool isParameter = static_cast<bool>(function.getArgAttr(index, "ptq.parameter"));
    auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[index]);
    if (!type) {
      problems.push_back("argument '" + name + "' is no ranked tensor");
      continue;
    }
    const auto &file = isParameter ? parameters : inputs;
    const auto &other = isParameter ? inputs : parameters;
    auto found = file ? file->lookup(name) : std::nullopt;
    if (!found && other)
      found = other->lookup(name);
    if (!found) {
      std::string problem = (isParameter ? "parameter '" : "input '") + name + "' is missing";
      if (auto near = file ? file->suggest(name) : std::nullopt)
        problem += " (is it '" + near->str() + "'?)";
      problems.push_back(std::move(problem));
      continue;
    }
    ArrayRef<int64_t> shape = found->info->shape;
    bool single = matches(type, shape);
    bool many = !single && !isParameter && !shape.empty() && matches(type, shape.drop_front());
    SchemeAttr scheme = quantizedInput(function, index);
    bool isQuantized = scheme && isFloat(found->info->dtype) && (single || many) && !shape.empty();
    if ((!isQuantized && !isSameType(found->info->dtype, type.getElementType())) ||
        (!single && !many)) {
      std::string problem;
      llvm::raw_string_ostream(problem)
          << "'" << name << "' is " << toText(found->info->dtype, shape) << ", the function takes "
          << type;
      problems.push_back(std::move(problem));
      continue;
    }
    if (many && stacked && *stacked != shape.front()) {
      problems.push_back("'" + name + "' has " + std::to_string(shape.front()) + " samples, '" +
                         stackedName + "' has " + std::to_string(*stacked));
      continue;
    }
    if (many) {
      stacked = shape.front();
      stackedName = name;
    }
    auto sampleType =
        RankedTensorType::get(many ? shape.drop_front() : shape, type.getElementType());
    if (isQuantized) {
      Type stored = getElementType(found->info->dtype, function.getContext());
      Tensor floats = copyToTensor(RankedTensorType::get(shape, stored), found->data);
      auto [codes, rowScales] = quantizeRows(floats, scheme.getBits(), type.getElementType(),
                                             Float32Type::get(function.getContext()));
      codes.type = sampleType;
      rowScales.type =
          RankedTensorType::get(sampleType.getShape().drop_back(), rowScales.type.getElementType());
      set.arguments.push_back({std::move(codes), many});
      scales = Argument{std::move(rowScales), many};
      continue;
    }
    int64_t width = *elementBytes(type.getElementType());
    Tensor tensor{sampleType, found->data.data(), found->owner};
    if (reinterpret_cast<uintptr_t>(found->data.data()) % width != 0)
      tensor = copyToTensor(RankedTensorType::get(shape, type.getElementType()), found->data);
    tensor.type = sampleType;
    set.arguments.push_back({std::move(tensor), many});
  }
  if (!problems.empty())
    return llvm::createStringError("the arguments of '" + function.getName() +
                                   "' do not fit: " + llvm::join(problems, "; "));
  set.count = stacked.value_or(1);
  set.stacked = stacked.has_value();
  return set;
}

std::vector<Tensor> SampleSet::sample(int64_t index) const {
  std::vector<Tensor> tensors;
  for (const Argument &argument : arguments) {
    tensors.push_back(argument.tensor);
    if (argument.isStacked)
      tensors.back().data += index * argument.tensor.numBytes();
  }
  return tensors;
}

std::vector<std::vector<Tensor>> SampleSet::samples(int64_t first, int64_t n) const {
  std::vector<std::vector<Tensor>> result;
  for (int64_t index = first; index != first + n; ++index)
    result.push_back(sample(index));
  return result;
}

} // namespace ptq::execution
