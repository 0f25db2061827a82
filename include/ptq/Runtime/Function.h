// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The functions of the CPU runtime as a table: their names, their types and what they compute. It
// is the one place where they are listed: --ptq-to-cpu declares them from it, the executor calls
// them through it, and the C interface (Runtime.h) wraps it.

#ifndef PTQ_RUNTIME_FUNCTION_H
#define PTQ_RUNTIME_FUNCTION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace ptq::runtime {

enum class Element { F32, I8, I32 };

/// A tensor of `rank` dynamic dimensions, or a scalar (rank 0).
struct Type {
  Element element;
  unsigned rank;
};

/// A dense row-major tensor, or a scalar.
struct Argument {
  const void *data = nullptr; ///< A tensor's elements.
  llvm::SmallVector<int64_t, 3> shape;
  int32_t scalar = 0; ///< A scalar's value.

  int64_t size() const {
    int64_t size = 1;
    for (int64_t extent : shape)
      size *= extent;
    return size;
  }
  template <typename T> llvm::ArrayRef<T> as() const {
    return {static_cast<const T *>(data), static_cast<size_t>(size())};
  }
};

/// Memory for result number `result`: a dense row-major tensor of shape `shape`.
using Allocator = llvm::function_ref<void *(unsigned result, llvm::ArrayRef<int64_t> shape)>;

struct Function {
  llvm::StringLiteral name;
  llvm::ArrayRef<Type> operands, results;
  /// Computes the results. `arguments` are of the operands' types. Errors: extents that do not fit
  /// together, numbers out of their range.
  llvm::Error (*call)(llvm::ArrayRef<Argument> arguments, Allocator allocate);
};

/// All of them. Runtime.h documents each.
llvm::ArrayRef<Function> functions();

/// The function of that name, or null.
const Function *findFunction(llvm::StringRef name);

} // namespace ptq::runtime

#endif // PTQ_RUNTIME_FUNCTION_H
