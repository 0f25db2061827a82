// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ElementTypes.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;
using checkpoint::DType;

std::optional<DType> ptq::toDType(Type type) {
  using Result = std::optional<DType>;
  return llvm::TypeSwitch<Type, Result>(type)
      .Case([](Float32Type) -> Result { return DType::F32; })
      .Case([](Float64Type) -> Result { return DType::F64; })
      .Case([](Float16Type) -> Result { return DType::F16; })
      .Case([](BFloat16Type) -> Result { return DType::BF16; })
      .Case([](Float8E4M3FNType) -> Result { return DType::F8E4M3; })
      .Case([](Float8E5M2Type) -> Result { return DType::F8E5M2; })
      .Case([](IntegerType integer) -> Result {
        bool isUnsigned = integer.isUnsigned();
        switch (integer.getWidth()) {
        case 1:
          return DType::Bool;
        case 8:
          return isUnsigned ? DType::U8 : DType::I8;
        case 16:
          return isUnsigned ? DType::U16 : DType::I16;
        case 32:
          return isUnsigned ? DType::U32 : DType::I32;
        case 64:
          return isUnsigned ? DType::U64 : DType::I64;
        default:
          return std::nullopt;
        }
      })
      .Default([](Type) -> Result { return std::nullopt; });
}

bool ptq::matches(DType dtype, Type elementType) {
  auto integer = dyn_cast<IntegerType>(elementType);
  if (!integer || integer.getWidth() == 1)
    return toDType(elementType) == dtype;
  Type asSigned = IntegerType::get(integer.getContext(), integer.getWidth());
  Type asUnsigned =
      IntegerType::get(integer.getContext(), integer.getWidth(), IntegerType::Unsigned);
  return toDType(asSigned) == dtype || toDType(asUnsigned) == dtype;
}
