// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ConfigValues.h"

#include "llvm/Support/Regex.h"

using namespace llvm;

namespace ptq::checkpoint::config {

/// Null where it is missing or null.
static const json::Value *find(const json::Object &object, StringRef key) {
  const json::Value *value = object.get(key);
  return value && value->kind() != json::Value::Null ? value : nullptr;
}

Error failure(const Twine &message) {
  return createStringError("its quantization_config: " + message);
}

Error unsupported(const Twine &what) {
  return failure("'" + what +
                 "' is not supported; the formats that are: compressed-tensors' pack-quantized and "
                 "int-quantized, gptq, gptq_v2, and awq (GEMM)");
}

Expected<unsigned> readBits(const json::Object &object, StringRef key) {
  std::optional<int64_t> bits = object.getInteger(key);
  if (!bits || *bits < 2 || *bits > 8)
    return failure("'" + key + "' must be an integer from 2 to 8");
  return unsigned(*bits);
}

Expected<int64_t> readGroupSize(const json::Object &object, StringRef key) {
  std::optional<int64_t> size = object.getInteger(key);
  if (!size || (*size != -1 && *size <= 0))
    return failure("'" + key + "' must be a positive integer, or -1 for one group a row");
  return *size;
}

Expected<bool> readFlag(const json::Object &object, StringRef key, bool absent) {
  const json::Value *value = find(object, key);
  if (!value)
    return absent;
  if (std::optional<bool> flag = value->getAsBoolean())
    return *flag;
  return failure("'" + key + "' must be true or false");
}

Expected<StringRef> readText(const json::Object &object, StringRef key, StringRef absent) {
  const json::Value *value = find(object, key);
  if (!value)
    return absent;
  if (std::optional<StringRef> text = value->getAsString())
    return *text;
  return failure("'" + key + "' must be a string");
}

Expected<const json::Object *> readObject(const json::Object &object, StringRef key) {
  const json::Value *value = find(object, key);
  if (!value)
    return nullptr;
  if (const json::Object *inner = value->getAsObject())
    return inner;
  return failure("'" + key + "' must be an object");
}

Expected<std::vector<std::string>> readStrings(const json::Object &object, StringRef key) {
  std::vector<std::string> result;
  const json::Value *value = find(object, key);
  if (!value)
    return result;
  const json::Array *array = value->getAsArray();
  if (!array)
    return failure("'" + key + "' must be an array of strings");
  for (const json::Value &element : *array) {
    std::optional<StringRef> text = element.getAsString();
    if (!text)
      return failure("'" + key + "' must be an array of strings");
    result.push_back(text->str());
  }
  return result;
}

Error checkPattern(StringRef pattern) {
  std::string reason;
  if (Regex(pattern).isValid(reason))
    return Error::success();
  return failure("'" + pattern + "' is no extended regular expression: " + reason);
}

} // namespace ptq::checkpoint::config
