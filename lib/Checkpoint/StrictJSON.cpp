// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A scan over the text bounds the nesting before LLVM's parser runs. Duplicate keys show
// afterwards: the text holds as many ':' outside of strings as the parsed objects hold members,
// unless a member was overwritten. (Comparing spellings instead would miss "a" against "\u0061".)
//
#include "ptq/Checkpoint/StrictJSON.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace ptq::checkpoint {
namespace {

constexpr size_t maxDepth = 64;

/// Calls visit(position, character) for each character outside of strings, and string(position,
/// text) for each string, escapes undecoded, until one of them returns false.
template <typename Visit, typename String> void scan(StringRef text, Visit visit, String string) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '"') {
      if (!visit(i, text[i]))
        return;
      continue;
    }
    size_t start = ++i;
    while (i < text.size() && text[i] != '"')
      i += text[i] == '\\' ? 2 : 1;
    if (!string(start - 1, text.slice(start, i)))
      return;
  }
}

size_t countMembers(const json::Value &value) {
  size_t count = 0;
  if (const json::Object *object = value.getAsObject()) {
    count += object->size();
    for (const auto &member : *object)
      count += countMembers(member.second);
  } else if (const json::Array *array = value.getAsArray()) {
    for (const json::Value &element : *array)
      count += countMembers(element);
  }
  return count;
}

/// Describes the first key that its object has twice, in text that is known to be valid.
std::string describeDuplicate(StringRef text) {
  SmallVector<StringSet<>> keysOfOpenObjects;
  StringRef last;
  size_t lastPosition = 0;
  std::string found = "an object has the same key twice";
  scan(
      text,
      [&](size_t, char c) {
        if (c == '{' || c == '[')
          keysOfOpenObjects.emplace_back();
        else if (c == '}' || c == ']')
          keysOfOpenObjects.pop_back();
        else if (c == ':' && !keysOfOpenObjects.back().insert(last).second) {
          found = ("the key '" + last + "' at byte " + Twine(lastPosition) +
                   " occurs twice in its object")
                      .str();
          return false;
        }
        return true;
      },
      [&](size_t position, StringRef string) {
        last = string;
        lastPosition = position;
        return true;
      });
  return found;
}

} // namespace

Expected<json::Value> parseStrictJSON(StringRef text) {
  size_t depth = 0, members = 0;
  std::optional<size_t> tooDeep;
  scan(
      text,
      [&](size_t position, char c) {
        if (c == '{' || c == '[')
          ++depth;
        else if ((c == '}' || c == ']') && depth > 0)
          --depth;
        else if (c == ':')
          ++members;
        if (depth > maxDepth)
          tooDeep = position;
        return !tooDeep;
      },
      [](size_t, StringRef) { return true; });
  if (tooDeep)
    return createStringError("JSON nests deeper than " + Twine(maxDepth) + " at byte " +
                             Twine(*tooDeep));

  Expected<json::Value> value = json::parse(text);
  if (!value)
    return createStringError("invalid JSON: " + llvm::toString(value.takeError()));
  if (countMembers(*value) != members)
    return createStringError(Twine(describeDuplicate(text)));
  return value;
}

} // namespace ptq::checkpoint
