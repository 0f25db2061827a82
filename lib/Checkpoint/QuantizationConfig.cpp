// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formats' spellings of a configuration.

#include "ptq/Checkpoint/QuantizationConfig.h"

#include "ConfigValues.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"

using namespace llvm;
using namespace ptq::checkpoint::config;

namespace ptq::checkpoint {
namespace {

std::string escaped(StringRef name) {
  std::string result;
  for (char c : name) {
    if (c == '.')
      result += '\\';
    result += c;
  }
  return result;
}

Expected<LayerConfig> readCompressedGroup(const json::Object &group) {
  Expected<const json::Object *> given = readObject(group, "weights");
  if (!given)
    return given.takeError();
  const json::Object *weights = *given;
  if (!weights)
    return failure("a config group has no 'weights'");
  LayerConfig config;
  Expected<StringRef> type = readText(*weights, "type", "int");
  if (!type)
    return type.takeError();
  if (*type != "int")
    return unsupported("weights of type " + *type);
  Expected<unsigned> bits = readBits(*weights, "num_bits");
  if (!bits)
    return bits.takeError();
  config.weight.bits = *bits;
  Expected<bool> symmetric = readFlag(*weights, "symmetric", true);
  if (!symmetric)
    return symmetric.takeError();
  config.weight.symmetric = *symmetric;
  Expected<StringRef> strategy = readText(*weights, "strategy", "channel");
  if (!strategy)
    return strategy.takeError();
  if (*strategy == "group") {
    Expected<int64_t> size = readGroupSize(*weights, "group_size");
    if (!size)
      return size.takeError();
    config.weight.groupSize = *size;
  } else if (*strategy == "tensor") {
    config.perTensor = true;
  } else if (*strategy != "channel") {
    return unsupported("strategy " + *strategy);
  }
  if (!(given = readObject(group, "input_activations")))
    return given.takeError();
  const json::Object *inputs = *given;
  if (!inputs)
    return config;
  if (!(type = readText(*inputs, "type", "int")))
    return type.takeError();
  if (*type != "int")
    return unsupported("activations of type " + *type);
  ActivationConfig activation;
  bits = readBits(*inputs, "num_bits");
  if (!bits)
    return bits.takeError();
  activation.bits = *bits;
  symmetric = readFlag(*inputs, "symmetric", true);
  if (!symmetric)
    return symmetric.takeError();
  activation.symmetric = *symmetric;
  Expected<bool> dynamic = readFlag(*inputs, "dynamic", false);
  if (!dynamic)
    return dynamic.takeError();
  activation.dynamic = *dynamic;
  if (!(strategy = readText(*inputs, "strategy", "tensor")))
    return strategy.takeError();
  if (*strategy != "token" && *strategy != "tensor")
    return unsupported("activations with strategy " + *strategy);
  activation.perToken = *strategy == "token";
  config.activation = activation;
  return config;
}

Expected<QuantizationConfig> readCompressed(const json::Object &object) {
  QuantizationConfig config;
  Expected<StringRef> format = readText(object, "format", "");
  if (!format)
    return format.takeError();
  if (*format == "pack-quantized")
    config.format = QuantizedFormat::PackQuantized;
  else if (*format == "int-quantized")
    config.format = QuantizedFormat::IntQuantized;
  else if (format->empty())
    return failure("it has no 'format'");
  else
    return unsupported("compressed-tensors' format " + *format);
  Expected<const json::Object *> given = readObject(object, "config_groups");
  if (!given)
    return given.takeError();
  const json::Object *groups = *given;
  if (!groups || groups->empty())
    return failure("it has no 'config_groups'");
  std::vector<StringRef> names;
  for (const auto &entry : *groups)
    names.push_back(entry.first);
  sort(names);
  for (StringRef name : names) {
    const json::Object *group = groups->getObject(name);
    if (!group)
      return failure("the config group '" + name + "' is not an object");
    Expected<StringRef> own = readText(*group, "format", *format);
    if (!own)
      return own.takeError();
    if (*own != *format)
      return unsupported("groups of several formats, " + *format + " and " + *own);
    Expected<LayerConfig> layer = readCompressedGroup(*group);
    if (!layer)
      return layer.takeError();
    Expected<std::vector<std::string>> targets = readStrings(*group, "targets");
    if (!targets)
      return targets.takeError();
    for (StringRef target : *targets)
      if (target.consume_front("re:"))
        if (Error error = checkPattern(target))
          return std::move(error);
    config.groups.push_back({*layer, std::move(*targets)});
  }
  Expected<std::vector<std::string>> ignored = readStrings(object, "ignore");
  if (!ignored)
    return ignored.takeError();
  config.ignored = std::move(*ignored);
  return config;
}

Expected<QuantizationConfig> readGptq(const json::Object &object) {
  QuantizationConfig config;
  Expected<StringRef> format = readText(object, "checkpoint_format", "gptq");
  if (!format)
    return format.takeError();
  if (*format != "gptq" && *format != "gptq_v2")
    return unsupported("gptq's checkpoint_format " + *format);
  config.format = *format == "gptq" ? QuantizedFormat::Gptq : QuantizedFormat::GptqV2;
  Expected<StringRef> pack = readText(object, "pack_dtype", "int32");
  if (!pack)
    return pack.takeError();
  if (*pack != "int32")
    return unsupported("gptq's pack_dtype " + *pack);
  LayerConfig layer;
  Expected<unsigned> bits = readBits(object, "bits");
  if (!bits)
    return bits.takeError();
  Expected<int64_t> size = readGroupSize(object, "group_size");
  if (!size)
    return size.takeError();
  Expected<bool> symmetric = readFlag(object, "sym", true);
  if (!symmetric)
    return symmetric.takeError();
  layer.weight = {*bits, *symmetric, *size};
  Expected<const json::Object *> exceptions = readObject(object, "dynamic");
  if (!exceptions)
    return exceptions.takeError();
  if (const json::Object *dynamic = *exceptions) {
    std::vector<StringRef> patterns;
    for (const auto &entry : *dynamic)
      patterns.push_back(entry.first);
    sort(patterns);
    for (StringRef pattern : patterns) {
      StringRef regex = pattern;
      if (regex.consume_front("-:"))
        continue; // Not quantized, which its tensors say.
      regex.consume_front("+:");
      if (Error error = checkPattern(regex))
        return std::move(error);
      const json::Object *changes = dynamic->getObject(pattern);
      if (!changes)
        return failure("'dynamic' has no object for '" + pattern + "'");
      LayerConfig changed = layer;
      if (changes->get("bits")) {
        if (!(bits = readBits(*changes, "bits")))
          return bits.takeError();
        changed.weight.bits = *bits;
      }
      if (changes->get("group_size")) {
        if (!(size = readGroupSize(*changes, "group_size")))
          return size.takeError();
        changed.weight.groupSize = *size;
      }
      if (!(symmetric = readFlag(*changes, "sym", layer.weight.symmetric)))
        return symmetric.takeError();
      changed.weight.symmetric = *symmetric;
      config.groups.push_back({changed, {("re:" + regex).str()}});
    }
  }
  config.groups.push_back({layer, {"Linear"}});
  return config;
}

Expected<QuantizationConfig> readAwq(const json::Object &object) {
  QuantizationConfig config;
  config.format = QuantizedFormat::Awq;
  Expected<StringRef> version = readText(object, "version", "gemm");
  if (!version)
    return version.takeError();
  if (!version->equals_insensitive("gemm"))
    return unsupported("awq's version " + *version);
  const char *bitsKey = object.get("w_bit") ? "w_bit" : "bits";
  const char *sizeKey = object.get("q_group_size") ? "q_group_size" : "group_size";
  Expected<unsigned> bits = readBits(object, bitsKey);
  if (!bits)
    return bits.takeError();
  if (*bits != 4)
    return unsupported("awq with " + Twine(*bits) + " bits");
  Expected<int64_t> size = readGroupSize(object, sizeKey);
  if (!size)
    return size.takeError();
  LayerConfig layer;
  layer.weight = {4, false, *size};
  config.groups.push_back({layer, {"Linear"}});
  Expected<std::vector<std::string>> ignored = readStrings(object, "modules_to_not_convert");
  if (!ignored)
    return ignored.takeError();
  config.ignored = std::move(*ignored);
  return config;
}

json::Object compressedGroup(const LayerGroup &group, QuantizedFormat format) {
  const LayerConfig &config = group.config;
  bool grouped = !config.perTensor && config.weight.groupSize > 0;
  json::Object weights{
      {"num_bits", int64_t(config.weight.bits)},
      {"type", "int"},
      {"symmetric", config.weight.symmetric},
      {"strategy", config.perTensor ? "tensor"
                   : grouped        ? "group"
                                    : "channel"},
      {"group_size", grouped ? json::Value(config.weight.groupSize) : json::Value(nullptr)},
      {"dynamic", false},
      {"actorder", config.groupIndex ? json::Value("group") : json::Value(nullptr)},
      {"block_structure", nullptr},
      {"observer", "minmax"},
      {"observer_kwargs", json::Object()}};
  json::Value inputs = nullptr;
  if (config.activation)
    inputs = json::Object{
        {"num_bits", int64_t(config.activation->bits)},
        {"type", "int"},
        {"symmetric", config.activation->symmetric},
        {"strategy", config.activation->perToken ? "token" : "tensor"},
        {"group_size", nullptr},
        {"dynamic", config.activation->dynamic},
        {"actorder", nullptr},
        {"block_structure", nullptr},
        {"observer", config.activation->dynamic ? json::Value(nullptr) : json::Value("minmax")},
        {"observer_kwargs", json::Object()}};
  return json::Object{{"targets", json::Array(group.targets)},
                      {"weights", std::move(weights)},
                      {"input_activations", std::move(inputs)},
                      {"output_activations", nullptr},
                      {"format", toString(format)}};
}

json::Object writeCompressed(const QuantizationConfig &config) {
  json::Object groups;
  for (auto [i, group] : enumerate(config.groups))
    groups["group_" + std::to_string(i)] = compressedGroup(group, config.format);
  return json::Object{{"quant_method", "compressed-tensors"}, {"format", toString(config.format)},
                      {"quantization_status", "compressed"},  {"global_compression_ratio", nullptr},
                      {"kv_cache_scheme", nullptr},           {"config_groups", std::move(groups)},
                      {"ignore", json::Array(config.ignored)}};
}

/// The group that serves most layers is the rule, the others are exceptions by name.
const LayerGroup &ruleOf(const QuantizationConfig &config) {
  return *llvm::max_element(config.groups, [](const LayerGroup &a, const LayerGroup &b) {
    auto rank = [](const LayerGroup &group) {
      return std::pair(is_contained(group.targets, "Linear"), group.targets.size());
    };
    return rank(a) < rank(b);
  });
}

json::Object writeGptq(const QuantizationConfig &config) {
  const LayerGroup &rule = ruleOf(config);
  json::Object dynamic;
  for (const LayerGroup &group : config.groups) {
    if (&group == &rule)
      continue;
    for (const std::string &name : group.targets) {
      StringRef pattern = name;
      std::string key =
          pattern.consume_front("re:") ? "+:" + pattern.str() : "+:^" + escaped(name) + "$";
      dynamic[key] = json::Object{{"bits", int64_t(group.config.weight.bits)},
                                  {"group_size", group.config.weight.groupSize},
                                  {"sym", group.config.weight.symmetric}};
    }
  }
  for (const std::string &name : config.ignored)
    if (name != "lm_head")
      dynamic["-:^" + escaped(name) + "$"] = json::Object();
  bool indexed = any_of(config.groups, [](auto &group) { return group.config.groupIndex; });
  json::Object result{{"quant_method", "gptq"},
                      {"bits", int64_t(rule.config.weight.bits)},
                      {"group_size", rule.config.weight.groupSize},
                      {"desc_act", indexed},
                      {"sym", rule.config.weight.symmetric},
                      {"lm_head", false},
                      {"checkpoint_format", toString(config.format)},
                      {"pack_dtype", "int32"},
                      {"meta", json::Object{{"quantizer", json::Array{"mlir-ptq"}}}}};
  if (!dynamic.empty())
    result["dynamic"] = std::move(dynamic);
  return result;
}

} // namespace

const LayerConfig *QuantizationConfig::find(StringRef layer) const {
  const LayerConfig *byPattern = nullptr, *byClass = nullptr;
  for (const LayerGroup &group : groups)
    for (StringRef target : group.targets) {
      if (target == layer)
        return &group.config;
      if (target.consume_front("re:")) {
        if (!byPattern && Regex(("^(" + target + ")").str()).match(layer))
          byPattern = &group.config;
      } else if (!byClass && !target.empty() && isUpper(target.front())) {
        byClass = &group.config;
      }
    }
  return byPattern ? byPattern : byClass;
}

Expected<QuantizationConfig> parseQuantizationConfig(const json::Object &object) {
  Expected<StringRef> method = readText(object, "quant_method", "");
  if (!method)
    return method.takeError();
  if (*method == "compressed-tensors")
    return readCompressed(object);
  if (*method == "gptq" || (method->empty() && object.get("desc_act")))
    return readGptq(object);
  if (*method == "awq")
    return readAwq(object);
  if (method->empty())
    return failure("it has no 'quant_method'");
  return unsupported("quant_method " + *method);
}

Expected<json::Object> toJSON(const QuantizationConfig &config) {
  if (config.groups.empty())
    return createStringError("no layer is quantized; run --rtn or --gptq before");
  if (config.format == QuantizedFormat::PackQuantized ||
      config.format == QuantizedFormat::IntQuantized)
    return writeCompressed(config);
  if (any_of(config.groups, [](auto &group) { return group.config.activation.has_value(); }))
    return createStringError(toString(config.format) +
                             " holds weights only, and layers have integer activations; use "
                             "format=compressed-tensors");
  if (config.format != QuantizedFormat::Awq)
    return writeGptq(config);
  if (config.groups.size() != 1)
    return createStringError("awq holds one scheme, and the layers have " +
                             Twine(config.groups.size()) + "; use format=compressed-tensors");
  return json::Object{{"quant_method", "awq"},
                      {"bits", 4},
                      {"group_size", config.groups.front().config.weight.groupSize},
                      {"zero_point", true},
                      {"version", "gemm"},
                      {"modules_to_not_convert", json::Array(config.ignored)}};
}

} // namespace ptq::checkpoint
