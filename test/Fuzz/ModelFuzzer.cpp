// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes as textual IR, through raise, transform, quantize and the reference lowering: a
// verified module or an error. What MLIR's parser rejects is skipped. The first byte chooses the
// pipeline, so that an input runs through one only.

#include "InputFolder.h"
#include "ptq/InitAll.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/CrashRecoveryContext.h"

using namespace mlir;

namespace {

/// What `// 0` to `// 9` in an input's first bytes choose.
constexpr llvm::StringLiteral pipelines[] = {
    "raise-linear,rtn{bits=4 group-size=2},run-pending",
    "raise-linear,rtn{bits=8 group-size=-1 activations=per-token},run-pending",
    "raise-linear,smoothquant,rtn{bits=8 group-size=-1 activations=per-token},run-pending",
    "raise-linear,awq,rtn{bits=4 group-size=2 symmetric=false},run-pending",
    "raise-linear,gptq{bits=3 group-size=-1},run-pending",
    "raise-linear,mixed-precision{average-bits=3 group-size=2},rtn,run-pending",
    "raise-linear,rtn{bits=2 group-size=2},ptq-to-linalg,run-pending",
    "raise-linear,quantize-attention,quantize-kv-cache,run-pending",
    "raise-linear,rtn{bits=4 group-size=2},ptq-to-cpu,run-pending",
    "raise-linear,llm-int8,run-pending",
};

const DialectRegistry &dialects() {
  static DialectRegistry registry = [] {
    DialectRegistry all;
    registerAllDialects(all);
    ptq::registerAll(all);
    return all;
  }();
  return registry;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef text = ptq::fuzz::textOf(data, size);
  // The lexer wants a zero behind the text, and a module's text has none in it.
  if (!text.consume_front("// ") || text.empty() || text.contains('\0'))
    return 0;
  size_t choice = static_cast<unsigned char>(text.front()) % std::size(pipelines);
  std::string source = text.drop_front().str();

  auto owned = std::make_unique<MLIRContext>(dialects(), MLIRContext::Threading::DISABLED);
  MLIRContext &context = *owned;
  bool reported = false;
  ScopedDiagnosticHandler quiet(&context, [&](Diagnostic &diagnostic) {
    reported |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return success();
  });
  // MLIR's parser crashes on some texts, which is not what is looked for here. What it held then is
  // in no state to be freed.
  static bool recovers = (llvm::CrashRecoveryContext::Enable(), true);
  (void)recovers;
  OwningOpRef<ModuleOp> module;
  llvm::CrashRecoveryContext recovery;
  if (!recovery.RunSafely([&] { module = parseSourceString<ModuleOp>(source, &context); })) {
    (void)owned.release();
    return 0;
  }
  if (!module)
    return 0;
  reported = false;
  PassManager passes(&context, ModuleOp::getOperationName());
  std::string message;
  llvm::raw_string_ostream stream(message);
  ptq::fuzz::require(succeeded(parsePassPipeline(pipelines[choice], passes, stream)),
                     "the fuzzer's pipelines are valid");
  if (failed(passes.run(*module)))
    ptq::fuzz::require(reported, "a pass that fails says why");
  return 0;
}
