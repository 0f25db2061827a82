// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PrecisionPlan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

using namespace llvm;
using namespace ptq;

namespace {

constexpr StringLiteral kRoles[] = {"residual-output", "attention-output", "mlp-output"};

/// A rule's keys as they are written; which of them are there is checked afterwards.
struct RuleKeys {
  std::optional<std::string> name, role, method;
  std::optional<unsigned> bits;
  std::optional<int64_t> groupSize;
  std::optional<bool> symmetric, keepFloat;
  unsigned line = 0;
};

} // namespace

LLVM_YAML_IS_SEQUENCE_VECTOR(RuleKeys)

template <> struct llvm::yaml::MappingTraits<RuleKeys> {
  static void mapping(IO &io, RuleKeys &keys) {
    io.mapOptional("name", keys.name);
    io.mapOptional("role", keys.role);
    io.mapOptional("bits", keys.bits);
    io.mapOptional("group-size", keys.groupSize);
    io.mapOptional("symmetric", keys.symmetric);
    io.mapOptional("method", keys.method);
    io.mapOptional("float", keys.keepFloat);
    // A rule's line: that of its node, counted in the buffer that the context is.
    auto *buffer = static_cast<const MemoryBufferRef *>(io.getContext());
    const char *start =
        static_cast<yaml::Input &>(io).getCurrentNode()->getSourceRange().Start.getPointer();
    keys.line =
        1 + StringRef(buffer->getBufferStart(), start - buffer->getBufferStart()).count('\n');
  }

  static std::string validate(IO &, RuleKeys &keys);
};

std::string llvm::yaml::MappingTraits<RuleKeys>::validate(IO &, RuleKeys &keys) {
  if (keys.name.has_value() == keys.role.has_value())
    return "a rule has either a name, a regular expression, or a role";
  std::string reason;
  if (keys.name && !Regex(*keys.name).isValid(reason))
    return "'" + *keys.name + "' is no regular expression: " + reason;
  if (keys.role && !is_contained(kRoles, *keys.role))
    return "role is " + join(ArrayRef(kRoles), " or ") + ", not '" + *keys.role + "'";
  if (keys.keepFloat.value_or(false)) {
    if (keys.bits || keys.groupSize || keys.symmetric || keys.method)
      return "a layer that stays float has no bits, group-size, symmetric or method";
    return "";
  }
  if (!keys.bits)
    return "a rule says bits, or float: true";
  if (*keys.bits < 2 || *keys.bits > 8)
    return "bits is 2 to 8, not " + std::to_string(*keys.bits) +
           "; float: true leaves a layer as it is";
  if (keys.groupSize && *keys.groupSize != -1 && *keys.groupSize < 1)
    return "group-size is a number of input channels, or -1 for a whole row, not " +
           std::to_string(*keys.groupSize);
  if (keys.method && *keys.method != "rtn" && *keys.method != "gptq")
    return "method is rtn or gptq, not '" + *keys.method + "'";
  return "";
}

std::string PrecisionRule::text() const {
  return name.empty() ? "role '" + role + "'" : "name '" + name + "'";
}

bool PrecisionRule::matches(StringRef layer, LayerRole layerRole) const {
  if (!name.empty())
    return Regex(name).match(layer);
  if (role == "attention-output")
    return layerRole == LayerRole::AttentionOutput;
  if (role == "mlp-output")
    return layerRole == LayerRole::MlpOutput;
  return layerRole != LayerRole::Other;
}

Expected<PrecisionPlan> PrecisionPlan::parse(MemoryBufferRef buffer) {
  // Of several diagnostics the first one; what follows it may be its consequence.
  std::string message;
  auto report = [](const SMDiagnostic &diagnostic, void *context) {
    auto &text = *static_cast<std::string *>(context);
    if (text.empty())
      text = (diagnostic.getFilename() + ":" + Twine(diagnostic.getLineNo()) + ": " +
              diagnostic.getMessage())
                 .str();
  };
  yaml::Input input(buffer, &buffer, report, &message);
  std::vector<RuleKeys> rules;
  // As `input >> rules`, which crashes on a document without a node that it knows, such as an
  // alias.
  if (input.setCurrentDocument() && input.getCurrentNode()) {
    yaml::EmptyContext context;
    yaml::yamlize(input, rules, /*Required=*/true, context);
  } else if (message.empty()) {
    message = (buffer.getBufferIdentifier() + ":1: a plan is a list of rules").str();
  }
  if (input.error() || !message.empty())
    return createStringError(message.empty() ? buffer.getBufferIdentifier() + ":1: no YAML"
                                             : message);
  PrecisionPlan plan;
  plan.file = buffer.getBufferIdentifier().str();
  if (rules.empty())
    return createStringError(plan.file + ":1: a plan is a list of rules, and this has none");
  for (RuleKeys &keys : rules)
    plan.rules.push_back({keys.name.value_or(""), keys.role.value_or(""),
                          keys.keepFloat.value_or(false), keys.bits.value_or(0), keys.groupSize,
                          keys.symmetric, keys.method.value_or(""), keys.line});
  return plan;
}

namespace {

struct ShippedPlan {
  StringLiteral name, text;
};

/// The files of Plans/, in the order of their names.
constexpr ShippedPlan kShippedPlans[] = {
#include "ShippedPlans.inc"
};

} // namespace

Expected<PrecisionPlan> PrecisionPlan::load(StringRef nameOrFile) {
  for (const ShippedPlan &plan : kShippedPlans)
    if (plan.name == nameOrFile)
      return parse(MemoryBufferRef(plan.text, plan.name));
  auto buffer = MemoryBuffer::getFile(nameOrFile, /*IsText=*/true);
  if (buffer)
    return parse((*buffer)->getMemBufferRef());
  std::string names;
  for (const ShippedPlan &plan : kShippedPlans)
    names += (names.empty() ? "" : ", ") + plan.name.str();
  return createStringError("'" + nameOrFile + "' is neither a plan shipped with the tool (" +
                           names + ") nor a readable file: " + buffer.getError().message());
}
