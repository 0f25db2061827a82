// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An embedding in the IR: rows of a stored table, read by an index that comes with the data.
//
//   %x[…, j] = linalg.generic ins(%ids) { … tensor.extract %table[%row, %column] … }
//
// whatever else the body does with the element, and however the index is made of the inputs. It is
// told from other reads by what its two indices depend on: the row's on elements of a tensor, the
// column's on one loop alone, which the row's does not depend on.

#ifndef PTQ_PASSES_QUANTIZE_EMBEDDINGGATHER_H
#define PTQ_PASSES_QUANTIZE_EMBEDDINGGATHER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <optional>
#include <string>

namespace ptq {

struct EmbeddingGather {
  mlir::tensor::ExtractOp extract;
  /// Which dimensions of the tensor that is read are the rows and the elements of a row; the
  /// others, if any, have size 1.
  unsigned rowDim = 0, columnDim = 1;
  /// The loops that the row depends on, ascending, and the one that runs along it.
  llvm::SmallVector<unsigned> rowLoops = {};
  unsigned columnLoop = 0;

  mlir::linalg::GenericOp op() const { return extract->getParentOfType<mlir::linalg::GenericOp>(); }
  mlir::Value table() const { return mlir::tensor::ExtractOp(extract).getTensor(); }
  mlir::Value row() const { return mlir::tensor::ExtractOp(extract).getIndices()[rowDim]; }
  mlir::Value column() const { return mlir::tensor::ExtractOp(extract).getIndices()[columnDim]; }
};

/// What moves or casts the elements of the one tensor it reads; not what computes.
bool movesElements(mlir::Operation *op);

/// The stored value a table is made of by moving and casting alone: a constant, a global or an
/// argument of the function; null if it is computed.
mlir::Value storedTable(mlir::Value table);

/// Tells whether `extract` reads floats by an index that comes with the data. If so, it is an
/// embedding, or `reason` says why it is none whose table can be rounded by rows.
std::optional<EmbeddingGather> matchEmbedding(mlir::tensor::ExtractOp extract, std::string &reason);

/// Builds an operation over the row's loops, and with `alongRow` the column's as its last, whose
/// elements are what `read` makes of the row and the column (null without it), both of type index.
/// Checks of the row's index are taken over.
mlir::Value buildRead(
    mlir::OpBuilder &b, const EmbeddingGather &gather, bool alongRow, mlir::Type elementType,
    llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value, mlir::Value)>
        read);

/// Lets the operation read `rows`, of the dimensions of buildRead with `alongRow`, in place of the
/// table.
void replaceRead(const EmbeddingGather &gather, mlir::Value rows);

} // namespace ptq

#endif
