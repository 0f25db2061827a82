// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A precision plan: rules in YAML that say, by a layer's name or by its part in the network, how
// its weight is rounded. The first rule that matches a layer wins.
//
//   - role: residual-output    # or name: REGEX
//     bits: 8                  # 2 to 8; or float: true
//     group-size: 64           # -1 is a whole row; the pass's option if not given
//     symmetric: false
//     method: rtn              # or gptq; whatever pass comes if not given

#ifndef PTQ_PASSES_TRANSFORM_PRECISIONPLAN_H
#define PTQ_PASSES_TRANSFORM_PRECISIONPLAN_H

#include "ptq/Analysis/ResidualStream.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <optional>
#include <string>
#include <vector>

namespace ptq {

struct PrecisionRule {
  std::string name; ///< A regular expression that is found in a layer's name; or empty, and
  std::string role; ///< "residual-output", "attention-output", "mlp-output".
  bool keepFloat = false;
  unsigned bits = 0; ///< 2 to 8 unless keepFloat.
  std::optional<int64_t> groupSize;
  std::optional<bool> symmetric;
  std::string method; ///< "rtn", "gptq" or empty.
  unsigned line = 0;  ///< Where it begins, from 1.

  /// "name 'REGEX'", "role 'mlp-output'".
  std::string text() const;
  bool matches(llvm::StringRef layer, LayerRole role) const;
};

struct PrecisionPlan {
  std::string file; ///< As messages name it.
  std::vector<PrecisionRule> rules;

  /// Parses YAML; the buffer's identifier names the file. Error, as "file:line: what": malformed
  /// YAML, unknown keys, values out of range, a malformed regular expression, a rule that says not
  /// what it matches or not what to do, no rule at all.
  static llvm::Expected<PrecisionPlan> parse(llvm::MemoryBufferRef buffer);

  /// A plan shipped with the tool, by its name, or else one in a file. Error, with the names of
  /// those shipped: neither.
  static llvm::Expected<PrecisionPlan> load(llvm::StringRef nameOrFile);
};

} // namespace ptq

#endif
