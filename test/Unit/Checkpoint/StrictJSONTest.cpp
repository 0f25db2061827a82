// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What LLVM's parser accepts and this one must not.
//
#include "ptq/Checkpoint/StrictJSON.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::HasSubstr;

namespace {

TEST(StrictJSONTest, AcceptsWhatIsValid) {
  for (const char *text : {"{}", "[]", "1", "\"a:b,{\"", R"({"a":{"b":1},"c":{"b":[{"b":2},3]}})",
                           R"({"\"":":\\","x":"\\\":"})", " {\"a\" : [ ] } \n"})
    expectSuccess(parseStrictJSON(text).takeError());
}

TEST(StrictJSONTest, RejectsDuplicateKeysAtAnyDepth) {
  EXPECT_THAT(messageOf(parseStrictJSON(R"({"a":1,"a":1})")), HasSubstr("'a' at byte 7"));
  EXPECT_THAT(messageOf(parseStrictJSON(R"([{"b":{"a":1,"c":[],"a":2}}])")), HasSubstr("'a' at"));
  EXPECT_THAT(messageOf(parseStrictJSON(R"({"a":1,"\u0061":1})")), HasSubstr("twice"));
}

TEST(StrictJSONTest, BoundsTheNesting) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(static_cast<bool>(parseStrictJSON(nested(64))));
  EXPECT_THAT(messageOf(parseStrictJSON(nested(65))), HasSubstr("deeper than 64 at byte 64"));
  EXPECT_THAT(messageOf(parseStrictJSON(std::string(10'000'000, '['))), HasSubstr("deeper"));
  // Brackets in strings do not nest.
  EXPECT_TRUE(static_cast<bool>(parseStrictJSON("\"" + std::string(100, '[') + "\\\"\"")));
}

TEST(StrictJSONTest, RejectsWhatIsInvalid) {
  for (const char *text : {"", "{", "\"", "\"\\", "]", "}{", "{\"a\"}", "nul", "{:}"})
    EXPECT_THAT(messageOf(parseStrictJSON(text)), HasSubstr("invalid JSON")) << text;
}

} // namespace
