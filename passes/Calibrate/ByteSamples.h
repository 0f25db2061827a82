// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Samples from the bytes of any file.

#ifndef PTQ_PASSES_CALIBRATE_BYTESAMPLES_H
#define PTQ_PASSES_CALIBRATE_BYTESAMPLES_H

#include "ptq/Execution/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// Samples for a function whose one input is a tensor of byte ids: integers of 8 bits or more, [1,
/// length] say. The bytes are cut into samples of the input's size (256 where it is dynamic); a
/// remainder is dropped. Errors: another kind of function, a file shorter than one sample.
llvm::Expected<std::vector<std::vector<execution::Tensor>>>
readByteSamples(mlir::func::FuncOp function, llvm::StringRef path);

} // namespace ptq

#endif
