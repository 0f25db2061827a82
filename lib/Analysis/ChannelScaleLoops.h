// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loops of a linalg operation or of an elementwise one on tensors, and the scales that meet
// there.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALELOOPS_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALELOOPS_H

#include "ChannelScaleState.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineMap.h"

namespace ptq::channel_scale {

/// The dimension of the tensor that is loop `loop`; nothing if there is none. Sets `mixed` if the
/// loop is part of another expression, or two dimensions.
std::optional<unsigned> dimensionOf(mlir::AffineMap map, unsigned loop, bool &mixed);

/// An operand or result of the loops.
struct Position {
  Site site;
  mlir::AffineMap map;
  enum { Fixed, Any, Known, Unknown } status = Fixed;
  int exponent = 0; ///< If known, and while one is tried.
  const ScaleMap *scale = nullptr;
};

/// The scale over loops: dimensions are loops here.
using LoopScale = ScaleMap;

class Loops {
public:
  Loops(mlir::Operation *op, const State &state) : op(op), state(state) { collect(); }

  Options options(bool allowInsertion, std::string &reason);

private:
  void collect();
  Position position(Site site, mlir::AffineMap map, bool read);
  unsigned numAccumulators() const { return reduces ? results.size() : 0; }
  unsigned firstAccumulator() const { return inputs.size() - extracts.size() - numAccumulators(); }
  /// Positions whose exponents are chosen: all inputs but the accumulators.
  bool isChosen(size_t input) const {
    return input < firstAccumulator() || input >= firstAccumulator() + numAccumulators();
  }
  /// The exponents of the results for the exponents tried, nothing if the body is not homogeneous.
  std::optional<llvm::SmallVector<int>> interpret(llvm::ArrayRef<int> arguments,
                                                  std::string &reason);
  bool tryExponents(std::string &reason);
  std::optional<Option> build(std::string &reason);
  bool constrain(const Position &position, Option &option, std::string &reason);
  void enumerate(llvm::ArrayRef<int> candidates, Options &options, std::string &reason);
  std::optional<Option> shiftedParameter();
  std::optional<Option> insertion();

  mlir::Operation *op;
  const State &state;
  mlir::Block *body = nullptr;        ///< Null for an elementwise operation, which is its own body.
  llvm::SmallVector<Position> inputs; ///< By block argument, then by `extracts`.
  llvm::SmallVector<mlir::tensor::ExtractOp> extracts;
  llvm::SmallVector<Position>
      results; ///< The last inputs, if there is a body, are their accumulators.
  bool reduces = false;
  LoopScale scale;
};

} // namespace ptq::channel_scale

#endif
