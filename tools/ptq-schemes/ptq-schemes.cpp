// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prints the table of schemes: in Markdown for the documentation, or its cells in JSON for the test
// that runs them.

#include "ptq/Quantize/SchemeTable.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"

int main(int argc, char **argv) {
  llvm::cl::opt<bool> json("json", llvm::cl::desc("Print the cells as JSON"));
  llvm::cl::ParseCommandLineOptions(argc, argv, "What can be combined with what\n");
  if (json)
    llvm::outs() << llvm::formatv("{0:2}\n", ptq::schemeCellsAsJSON());
  else
    ptq::printSchemeTable(llvm::outs());
  return 0;
}
