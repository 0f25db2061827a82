// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Padding: tokens that samples have only to be of one length.

#ifndef PTQ_PASSES_CALIBRATE_TOKENMASK_H
#define PTQ_PASSES_CALIBRATE_TOKENMASK_H

#include "ptq/Execution/Executor.h"

#include <vector>

namespace ptq {

/// Which tokens count.
struct TokenMask {
  std::vector<char> tokens;        ///< 1 or 0 for each token of all samples.
  std::vector<int64_t> sampleEnds; ///< Behind which token each sample ends.

  /// The tokens of samples [first, last).
  std::vector<char> slice(int64_t first, int64_t last) const;
};

/// The mask by the integer or boolean input that is named `mask` or `attention_mask`: tokens where
/// it is not 0 count. Empty if there is no such input, or if it leaves out no token or all of them.
TokenMask findTokenMask(mlir::func::FuncOp function,
                        llvm::ArrayRef<std::vector<execution::Tensor>> samples);

/// Shows another observer the tokens that count. Layers whose input has another number of rows
/// than the mask (a pooled sentence, say) are shown as they are.
class TokenMaskObserver : public execution::LinearObserver {
public:
  TokenMaskObserver(execution::LinearObserver &observer, std::vector<char> mask)
      : observer(observer), mask(std::move(mask)) {}

  bool wants(mlir::Operation *op) override { return observer.wants(op); }
  llvm::Expected<std::optional<std::vector<float>>>
  observe(mlir::Operation *op, const execution::ObservedInput &input) override;

private:
  execution::LinearObserver &observer;
  std::vector<char> mask;
};

} // namespace ptq

#endif
