// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ptq dialect.

#ifndef PTQ_DIALECT_TD
#define PTQ_DIALECT_TD

include "mlir/IR/OpBase.td"

def PTQ_Dialect : Dialect {
  let name = "ptq";
  let cppNamespace = "::ptq";
  let summary = "Post-training quantization: linear layers, their schemes, statistics and quantized forms";
  let description = [{
    The dialect names the places where a network is quantized. A frontend's linear layers become
    `ptq.linear`, whatever operations the frontend wrote them in; rounding turns a `ptq.linear` into
    `ptq.weight_only_linear`, whose weight is packed integers with scales, or, where the activation is
    quantized too, into `ptq.quantize` or `ptq.dynamic_quantize` and `ptq.integer_linear`. Everything else in the
    program stays in upstream dialects. Every op lowers to upstream dialects (`--ptq-to-linalg`), so
    every program with ptq ops runs.

    Discardable attributes the dialect reads on functions and operations:

    - `ptq.parameter = "key"` on a function argument: its value is the tensor `key` of a checkpoint;
    - `ptq.input = "name"` on a function argument: a run-time input and its name;
    - `ptq.output = "name"` on a function result: the name under which tools report it;
    - `ptq.key = "key"` on a constant: the checkpoint tensor it was loaded from.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
  let dependentDialects = ["arith::ArithDialect"];
}

#endif
