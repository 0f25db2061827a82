// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A quantized layer's integers, out of its operation.

#ifndef PTQ_PASSES_INTERCHANGE_STOREDLAYER_H
#define PTQ_PASSES_INTERCHANGE_STOREDLAYER_H

#include "ptq/Checkpoint/QuantizationConfig.h"
#include "ptq/Execution/Tensor.h"
#include "ptq/IR/PTQ.h"

namespace ptq {

struct StoredLayer {
  std::string name;
  numerics::QuantizedWeight weight;
  std::optional<checkpoint::ActivationConfig> activation;
  std::optional<float> inputScale; ///< Where the activation's scale is known.

  checkpoint::LayerConfig config() const;
};

/// The layer of a ptq.weight_only_linear or ptq.integer_linear. Errors: operands that are no
/// constants; an activation with explicit channel scales or zero points known in advance, which no
/// format holds.
llvm::Expected<StoredLayer> readLayer(mlir::Operation *op);

/// The value of a constant operand.
llvm::Expected<execution::Tensor> constantTensor(mlir::Value value);

} // namespace ptq

#endif
