// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What was done, for people and scripts.

#ifndef PTQ_REPORT_PASSES_TD
#define PTQ_REPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def WriteReport : Pass<"write-report", "::mlir::ModuleOp"> {
  let summary = "Write a report on every layer";
  let description = [{
    Writes a JSON file: `{"seconds", "compression_ratio", "layers": […]}`, with for each layer its name, shape
    `[out, in]`, location, status (`raised`, `declined` or `skipped`) and the reason, its scheme and group
    size, the method that rounded it, the error of its output relative to the output's energy when rounded
    to nearest (`error_rtn`) and as it is (`error`), and the seconds it took. What is not known is null.
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"", "The file to write, .json">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
