// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rescaled copies of constant data.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALECONSTANT_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALECONSTANT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace ptq::channel_scale {

/// Positive factors over some dimensions of a tensor, ascending; row major.
struct Factors {
  llvm::SmallVector<unsigned, 4> dims;
  llvm::SmallVector<int64_t, 4> sizes;
  std::vector<double> values;

  bool operator==(const Factors &other) const {
    return dims == other.dims && values == other.values;
  }
};

/// value ← (value + shift)·Π factors − shift.
struct ConstantEdit {
  llvm::SmallVector<Factors, 2> factors;
  double shift = 0;

  bool operator==(const ConstantEdit &other) const {
    return factors == other.factors && shift == other.shift;
  }
};

/// True if the data of `elements` can be read: floats that were not elided. Else an error that
/// completes "the parameter … cannot be changed: ".
llvm::Error checkReadable(mlir::ElementsAttr elements);

/// An attribute of the same type with the edited data: a resource named after `key` that owns them.
/// Computed in float64 and rounded once to float32 and float64, by way of float32 to 16 bit; half
/// to even. `elements` is readable. An error if a number leaves the range of its type.
llvm::Expected<mlir::ElementsAttr> editElements(mlir::ElementsAttr elements,
                                                const ConstantEdit &edit, llvm::StringRef key);

/// The same for float32 data that is not an attribute's, of type `type`.
llvm::Expected<mlir::ElementsAttr> editElements(llvm::ArrayRef<float> data,
                                                mlir::RankedTensorType type,
                                                const ConstantEdit &edit, llvm::StringRef key);

} // namespace ptq::channel_scale

#endif
