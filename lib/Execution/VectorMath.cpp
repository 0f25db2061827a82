// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names follow the vector function ABI: _ZGV<isa>N<lanes>v…_<name>, with isa b for 128-bit, d for
// 256-bit and e for 512-bit vectors.
//
#include "VectorMath.h"

#include "llvm/Support/DynamicLibrary.h"

namespace ptq::execution {

#if defined(__x86_64__) && defined(__linux__)

namespace {
/// The function's name in C, and whether LLVM has an intrinsic of that name.
struct Function {
  const char *name;
  unsigned arguments;
  bool isIntrinsic;
};

struct Vector {
  char isa;
  unsigned bits;
};
} // namespace

static constexpr Vector shapes[] = {{'b', 128}, {'d', 256}, {'e', 512}};

static constexpr Function functions[] = {
    {"exp", 1, true},    {"exp2", 1, true},  {"exp10", 1, true},  {"log", 1, true},
    {"log2", 1, true},   {"log10", 1, true}, {"sin", 1, true},    {"cos", 1, true},
    {"tan", 1, true},    {"asin", 1, true},  {"acos", 1, true},   {"atan", 1, true},
    {"sinh", 1, true},   {"cosh", 1, true},  {"tanh", 1, true},   {"pow", 2, true},
    {"atan2", 2, true},  {"erf", 1, false},  {"erfc", 1, false},  {"expm1", 1, false},
    {"log1p", 1, false}, {"cbrt", 1, false}, {"asinh", 1, false}, {"acosh", 1, false},
    {"atanh", 1, false}};

void addVectorMath(llvm::TargetLibraryInfoImpl &library, unsigned vectorBits) {
  std::string message;
  auto libmvec = llvm::sys::DynamicLibrary::getPermanentLibrary("libmvec.so.1", &message);
  if (!libmvec.isValid())
    return;
  // The table keeps references to the names.
  static llvm::BumpPtrAllocator memory;
  static llvm::StringSaver names(memory);
  static const std::vector<std::pair<unsigned, llvm::VecDesc>> table = [&] {
    std::vector<std::pair<unsigned, llvm::VecDesc>> found;
    for (const Function &function : functions)
      for (unsigned width : {32, 64})
        for (Vector shape : shapes) {
          unsigned lanes = shape.bits / width;
          std::string scalar = std::string(function.name) + (width == 32 ? "f" : "");
          std::string parameters(function.arguments, 'v');
          std::string vector = std::string("_ZGV") + shape.isa + "N" + std::to_string(lanes) +
                               parameters + "_" + scalar;
          if (!libmvec.getAddressOfSymbol(vector.c_str()))
            continue;
          auto add = [&](std::string name) {
            found.push_back(
                {shape.bits,
                 llvm::VecDesc(names.save(name), names.save(vector),
                               llvm::ElementCount::getFixed(lanes),
                               /*Masked=*/false,
                               names.save("_ZGV_LLVM_N" + std::to_string(lanes) + parameters),
                               std::nullopt)});
          };
          add(scalar);
          if (function.isIntrinsic)
            add(std::string("llvm.") + function.name + ".f" + std::to_string(width));
        }
    return found;
  }();
  std::vector<llvm::VecDesc> usable;
  for (const auto &[bits, description] : table)
    if (bits <= vectorBits)
      usable.push_back(description);
  library.addVectorizableFunctions(usable);
}

#else

void addVectorMath(llvm::TargetLibraryInfoImpl &, unsigned) {}

#endif

} // namespace ptq::execution
