// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A report as one HTML page that needs nothing beside itself.

#ifndef PTQ_PASSES_REPORT_HTMLREPORT_H
#define PTQ_PASSES_REPORT_HTMLREPORT_H

#include "llvm/Support/JSON.h"

namespace ptq {

/// Writes Page/page.html with its style, its script and the report's data put in. No text of the
/// report can become markup, and the page allows no script or style but its own, and no network.
void writeHtml(llvm::raw_ostream &os, llvm::json::Value report);

} // namespace ptq

#endif
