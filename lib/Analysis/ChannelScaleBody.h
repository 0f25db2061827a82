// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Homogeneity of scalar computations: what a body yields when its arguments are multiplied by
// powers of one positive scale.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALEBODY_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALEBODY_H

#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <limits>
#include <optional>
#include <string>

namespace ptq::channel_scale {

/// The exponent of a value that no positive scale changes, 0 or an infinity: it fits any exponent.
inline constexpr int kAnyExponent = std::numeric_limits<int>::min();

/// The exponent of an operation's result, given those of its operands; nothing if it is not
/// homogeneous in them, with the reason.
std::optional<int> interpretOperation(mlir::Operation *op, llvm::ArrayRef<int> operands,
                                      std::string &reason);

/// The exponents of what a block yields, given those of its arguments and of the results of some of
/// its operations (`given`). Values from outside count as not scaled.
std::optional<llvm::SmallVector<int>>
interpretBody(mlir::Block &body, llvm::ArrayRef<int> arguments,
              const llvm::DenseMap<mlir::Operation *, int> &given, std::string &reason);

/// The exponent of a constant scalar or splat: kAnyExponent for 0 and the infinities, else 0.
int exponentOfConstant(mlir::Attribute value);

} // namespace ptq::channel_scale

#endif
