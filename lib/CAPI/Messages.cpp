// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Messages.h"

#include "mlir/CAPI/Support.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

static PtqSeverity toSeverity(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Error:
    return PtqSeverityError;
  case DiagnosticSeverity::Warning:
    return PtqSeverityWarning;
  case DiagnosticSeverity::Note:
    return PtqSeverityNote;
  case DiagnosticSeverity::Remark:
    return PtqSeverityRemark;
  }
  llvm_unreachable("a severity that MLIR does not have");
}

static llvm::StringRef spell(PtqSeverity severity) {
  static constexpr llvm::StringLiteral words[] = {"error", "warning", "note", "remark"};
  return words[severity];
}

/// FILE:LINE:COLUMN where there is one.
static std::string spell(Location location) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto file = location->findInstanceOf<FileLineColLoc>())
    os << file.getFilename().getValue() << ':' << file.getLine() << ':' << file.getColumn();
  else if (!isa<UnknownLoc>(location))
    location.print(os);
  return text;
}

static void give(PtqMessageHandler handler, PtqSeverity severity, llvm::StringRef location,
                 llvm::StringRef message) {
  if (handler.callback) {
    handler.callback(severity, wrap(location), wrap(message), handler.userData);
    return;
  }
  if (!location.empty())
    llvm::errs() << location << ": ";
  llvm::errs() << spell(severity) << ": " << message << '\n';
}

MlirLogicalResult ptq::capi::reportError(PtqMessageHandler handler, const llvm::Twine &message) {
  give(handler, PtqSeverityError, "", message.str());
  return mlirLogicalResultFailure();
}

ptq::capi::DiagnosticForwarding::DiagnosticForwarding(MLIRContext *context,
                                                      PtqMessageHandler handler) {
  scope.emplace(context, [this, handler](Diagnostic &diagnostic) {
    errors |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    give(handler, toSeverity(diagnostic.getSeverity()), spell(diagnostic.getLocation()),
         diagnostic.str());
    for (Diagnostic &note : diagnostic.getNotes())
      give(handler, PtqSeverityNote, spell(note.getLocation()), note.str());
    return success();
  });
}
