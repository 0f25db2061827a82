// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 5: ptq operations become something that runs elsewhere.

#ifndef PTQ_LOWER_PASSES_TD
#define PTQ_LOWER_PASSES_TD

include "mlir/Pass/PassBase.td"

def PTQToLinalg : Pass<"ptq-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lower ptq operations to linalg: the reference semantics";
  let description = [{
    Every ptq operation becomes operations of upstream dialects, which stock MLIR reads and runs. This lowering
    defines what the operations mean; it is made to be read, not to be fast. Packed integers are unpacked by
    shifts, weights are dequantized in float32, accumulation is in float32 at least.

    Before:

    ```mlir
    %y = ptq.linear %x, %w bias %b : (tensor<4x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<4x32xf32>
    ```

    After:

    ```mlir
    %0 = linalg.matmul indexing_maps = [(m, n, k) -> (m, k), (m, n, k) -> (n, k), (m, n, k) -> (m, n)]
           ins(%x, %w : tensor<4x64xf32>, tensor<32x64xf32>) outs(%zero : tensor<4x32xf32>) -> tensor<4x32xf32>
    %y = linalg.generic … { arith.addf … } -> tensor<4x32xf32>
    ```
  }];
  let statistics = [Statistic<"numLowered", "ops-lowered", "ptq operations lowered">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

#endif
