// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What was done, for people and scripts.

#ifndef PTQ_REPORT_PASSES_TD
#define PTQ_REPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def WriteReport : Pass<"write-report", "::mlir::ModuleOp"> {
  let summary = "Write a report on every layer";
  let description = [{
    Writes a JSON file: `{"model", "seconds", "bytes_before", "bytes", "compression_ratio", "layers": […],
    "embeddings": […]}`, with for each layer its name, shape `[out, in]`, location, status (`raised`, `declined`
    or `skipped`) and the reason, its scheme and group size, the method that rounded it, what transformations
    chose for its input (`transforms`: method, where the scale went, and `into`, the parameters that absorbed it),
    the error of its output relative to the output's energy when rounded to nearest (`error_rtn`) and as it is
    (`error`), and the seconds it took. What is not known is null.

    With `file=F.html` the same is one page for people: summary, errors and bits as charts, where scales were
    folded, and a table to sort and filter. It needs no other file and no network; its data are the JSON, in the
    element `report`.
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"", "The file to write, .json or .html">
  ];
  let dependentDialects = ["::ptq::PTQDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
