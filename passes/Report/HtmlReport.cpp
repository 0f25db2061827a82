// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The page is a template with four places: @STYLE@, @SCRIPT@, @DATA@ and @POLICY@.
//
// The data are a JSON block in a script element of a type that browsers do not run. HTML ends such
// an element at "</script" and changes its state at "<!--", wherever they stand; so every <, > and
// & of the data is written as JSON's \u00XX. In JSON they occur in strings only, where the escape
// means the same. The script makes text nodes of what it reads, never markup.
//
// Second line: a content security policy with the hashes of the page's own script and style.
// Nothing else is run or loaded, whatever the page is made to contain.

#include "HtmlReport.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Base64.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SHA256.h"

using namespace ptq;
using llvm::StringRef;

static constexpr StringRef kPage =
#include "ReportPage.html.inc"
    ;
static constexpr StringRef kStyle =
#include "ReportPage.css.inc"
    ;
static constexpr StringRef kScript =
#include "ReportPage.js.inc"
    ;

static std::string hashSource(StringRef text) {
  auto hash = llvm::SHA256::hash(llvm::arrayRefFromStringRef(text));
  return "'sha256-" + llvm::encodeBase64(hash) + "'";
}

/// JSON that means the same and can stand inside of a script element.
static std::string escapedJSON(llvm::json::Value value) {
  std::string escaped;
  for (char c : llvm::formatv("{0}", std::move(value)).str())
    switch (c) {
    case '<':
      escaped += "\\u003c";
      break;
    case '>':
      escaped += "\\u003e";
      break;
    case '&':
      escaped += "\\u0026";
      break;
    default:
      escaped += c;
    }
  return escaped;
}

void ptq::writeHtml(llvm::raw_ostream &os, llvm::json::Value report) {
  std::string data = escapedJSON(std::move(report));
  std::string policy = "default-src 'none'; script-src " + hashSource(kScript) + "; style-src " +
                       hashSource(kStyle) + "; base-uri 'none'; form-action 'none'";
  const std::pair<StringRef, StringRef> places[] = {
      {"@POLICY@", policy}, {"@STYLE@", kStyle}, {"@DATA@", data}, {"@SCRIPT@", kScript}};
  StringRef rest = kPage;
  // In the template's order, each once: what is put in is not searched again.
  for (auto [place, text] : places) {
    auto [before, after] = rest.split(place);
    os << before << text;
    rest = after;
  }
  os << rest;
}
