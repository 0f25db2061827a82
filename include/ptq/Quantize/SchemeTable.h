// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What can be combined with what: schemes, transformations, roundings and lowerings. The table is
// printed as docs/Schemes.md, and the test integration.schemes runs every cell of it.

#ifndef PTQ_QUANTIZE_SCHEMETABLE_H
#define PTQ_QUANTIZE_SCHEMETABLE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <string>
#include <vector>

namespace ptq {

/// A scheme and how it is asked for.
struct SchemeRow {
  llvm::StringRef name;        ///< "W4A16, groups", say.
  llvm::StringRef weights;     ///< In words.
  llvm::StringRef activations; ///< In words.
  llvm::StringRef options;     ///< Of --rtn and --gptq.
  llvm::StringRef awq;         ///< Of --awq: what its search rounds to.
  llvm::StringRef pass;        ///< A pass that comes before rounding, or empty.
  llvm::StringRef noRtn;       ///< Why --rtn does not make it; empty if it does.
  bool gpu = false;            ///< --ptq-to-gpu has kernels for it.
};

llvm::ArrayRef<SchemeRow> schemeTable();

/// One combination of a scheme, a transformation and a rounding.
struct SchemeCell {
  const SchemeRow *scheme;
  llvm::StringRef transformation; ///< "none", "smoothquant" or "awq".
  llvm::StringRef rounding;       ///< "rtn" or "gptq".

  /// Why there is no such combination; empty if there is.
  llvm::StringRef reason() const;
  /// Its passes between --calibrate and lowering, as they stand on a command line.
  std::vector<std::string> passes() const;
};

/// All combinations, those that do not exist included.
std::vector<SchemeCell> schemeCells();

/// [{"scheme", "transformation", "rounding", "passes": […], "gpu"}, …]: the cells that exist.
llvm::json::Value schemeCellsAsJSON();
/// The table in Markdown.
void printSchemeTable(llvm::raw_ostream &os);

} // namespace ptq

#endif
