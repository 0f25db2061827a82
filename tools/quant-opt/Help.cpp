// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Help.h"

#include "ptq/PassStages.h"

#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

/// The column at which a pass's description starts, as in upstream's lists.
static constexpr size_t kIndent = 2;

bool asksForHelp(int argc, char **argv) {
  return llvm::any_of(llvm::ArrayRef(argv, argc).drop_front(), [](llvm::StringRef argument) {
    return argument == "--help" || argument == "-help" || argument == "-h";
  });
}

void printPassesByStage() {
  llvm::raw_ostream &os = llvm::outs();
  os << "USAGE: quant-opt [INPUT.mlir] [passes, in the order in which they run] [-o OUTPUT.mlir]\n"
        "\n"
        "A pass is given as --NAME, or as --NAME=\"OPTION=VALUE OPTION=VALUE\". The passes of "
        "mlir-ptq:\n";
  size_t width = 0;
  for (const ptq::PassStage &stage : ptq::passStages())
    for (llvm::StringRef name : stage.passes)
      if (const PassInfo *pass = PassInfo::lookup(name))
        width = std::max(width, pass->getOptionWidth() + kIndent);
  for (const ptq::PassStage &stage : ptq::passStages()) {
    os << '\n' << stage.name << ":\n";
    for (llvm::StringRef name : stage.passes)
      if (const PassInfo *pass = PassInfo::lookup(name))
        pass->printHelpStr(kIndent, width);
  }
  os << "\nThe tool's options, and all passes, upstream's included:\n\n";
  os.flush();
}
