// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elements of a tensor as one type, whatever the tensor's is, and back.
//
#ifndef PTQ_LIB_EXECUTION_ELEMENTS_H
#define PTQ_LIB_EXECUTION_ELEMENTS_H

#include "ptq/Execution/Tensor.h"

#include <vector>

namespace ptq::execution {

/// All elements, as integers: an element of fewer than 8 bits lies in the low bits of its byte.
std::vector<int64_t> readIntegers(const Tensor &tensor);

/// All elements of a float tensor.
std::vector<double> readDoubles(const Tensor &tensor);
std::vector<float> readFloats(const Tensor &tensor);

/// A view of a float tensor's elements if they are float32, else a copy of them in `storage`.
llvm::ArrayRef<float> viewFloats(const Tensor &tensor, std::vector<float> &storage);

/// Writes integers as elements of an integer type, those of fewer than 8 bits into the low bits.
void writeIntegers(llvm::ArrayRef<int8_t> values, mlir::Type elementType, char *to);

/// Writes floats as elements of a float type, rounded half to even.
void writeFloats(llvm::ArrayRef<float> values, mlir::Type elementType, char *to);
void writeFloats(llvm::ArrayRef<double> values, mlir::Type elementType, char *to);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_ELEMENTS_H
