// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/SchemeTable.h"

using namespace ptq;
namespace json = llvm::json;
using llvm::StringRef;

static constexpr StringRef floats = "float";

static const SchemeRow rows[] = {
    {"W8A16, per tensor", "8 bits, one scale", floats, "bits=8 granularity=tensor",
     "bits=8 group-size=-1 clip=false", "", ""},
    {"W8A16", "8 bits, a scale for each row", floats, "bits=8 group-size=-1",
     "bits=8 group-size=-1", "", "", true},
    {"W6A16, groups", "6 bits, groups of 64", floats, "bits=6 group-size=64",
     "bits=6 group-size=64", "", ""},
    {"W5A16, groups", "5 bits, groups of 64", floats, "bits=5 group-size=64",
     "bits=5 group-size=64", "", ""},
    {"W4A16", "4 bits, a scale for each row", floats, "bits=4 group-size=-1",
     "bits=4 group-size=-1", "", "", true},
    {"W4A16, groups", "4 bits, groups of 64", floats, "bits=4 group-size=64",
     "bits=4 group-size=64", "", "", true},
    {"W4A16, groups, zero points", "4 bits asymmetric, groups of 64", floats,
     "bits=4 group-size=64 symmetric=false", "bits=4 group-size=64 symmetric=false", "", "", true},
    {"W4A16, groups, searched ranges", "4 bits, groups of 64, the range with the least 2.4-norm",
     floats, "bits=4 group-size=64 mse=true", "bits=4 group-size=64", "", ""},
    {"W3A16, groups, zero points", "3 bits asymmetric, groups of 64", floats,
     "bits=3 group-size=64 symmetric=false", "bits=3 group-size=64 symmetric=false", "", ""},
    {"W2A16, groups, zero points", "2 bits asymmetric, groups of 32", floats,
     "bits=2 group-size=32 symmetric=false", "bits=2 group-size=32 symmetric=false", "", ""},
    {"NF4", "4-bit NormalFloat, blocks of 64", floats,
     "type=nf4 group-size=64 double-quantization=false", "bits=4 group-size=64", "", ""},
    {"NF4, double quantization", "4-bit NormalFloat, blocks of 64 with 8-bit scales", floats,
     "type=nf4 group-size=64", "bits=4 group-size=64", "", ""},
    {"W3A16 and sparse outliers", "3 bits, groups of 64; 1 % of the weights in 16 bits", floats,
     "bits=3 group-size=64 outliers=1%", "bits=3 group-size=64", "",
     "outliers are chosen by what their rounding costs the layer's output"},
    {"W8A8", "8 bits, a scale for each row", "8 bits per token",
     "bits=8 group-size=-1 activations=per-token", "bits=8 group-size=-1", "", "", true},
    {"W8A8, zero points", "8 bits, a scale for each row", "8 bits asymmetric per token",
     "bits=8 group-size=-1 activations=per-token-asymmetric", "bits=8 group-size=-1", "", ""},
    {"W8A8, per tensor", "8 bits, one scale", "8 bits per tensor",
     "bits=8 granularity=tensor activations=per-tensor", "bits=8 group-size=-1 clip=false", "", "",
     true},
    {"W8A8, static", "8 bits, a scale for each row", "8 bits, one scale from calibration",
     "bits=8 group-size=-1 activations=per-tensor-static", "bits=8 group-size=-1", "", "", true},
    {"W4A8, groups", "4 bits, groups of 64", "8 bits per token",
     "bits=4 group-size=64 activations=per-token", "bits=4 group-size=64", "", ""},
    {"W4A4, groups", "4 bits, groups of 64", "4 bits per token",
     "bits=4 group-size=64 activations=per-token-int4", "bits=4 group-size=64", "", ""},
    {"LLM.int8(), static", "8 bits, a scale for each row; outlier columns as they are",
     "8 bits per token; outlier columns in float", "", "bits=8 group-size=-1",
     "--llm-int8=threshold=2", ""},
    {"LLM.int8(), dynamic", "8 bits, a scale for each row, and the original",
     "8 bits per token; outlier columns in float", "", "bits=8 group-size=-1",
     "--llm-int8=threshold=2 dynamic=true", ""},
};

static constexpr StringRef transformations[] = {"none", "smoothquant", "awq"};
static constexpr StringRef roundings[] = {"rtn", "gptq"};

llvm::ArrayRef<SchemeRow> ptq::schemeTable() { return rows; }

StringRef SchemeCell::reason() const { return rounding == "rtn" ? scheme->noRtn : ""; }

static std::string withOptions(llvm::Twine pass, StringRef options) {
  return options.empty() ? pass.str() : (pass + "=" + options).str();
}

std::vector<std::string> SchemeCell::passes() const {
  std::vector<std::string> result;
  if (transformation == "smoothquant")
    result.push_back("--smoothquant");
  if (transformation == "awq")
    result.push_back(withOptions("--awq", scheme->awq));
  if (!scheme->pass.empty())
    result.push_back(scheme->pass.str());
  std::string options = scheme->options.str();
  // A transformation's mark of 8-bit activations gives way to what is asked for.
  if (transformation == "smoothquant" && scheme->activations == floats)
    options += " activations=none";
  result.push_back(withOptions("--" + rounding, options));
  return result;
}

std::vector<SchemeCell> ptq::schemeCells() {
  std::vector<SchemeCell> cells;
  for (const SchemeRow &row : rows)
    for (StringRef transformation : transformations)
      for (StringRef rounding : roundings)
        cells.push_back({&row, transformation, rounding});
  return cells;
}

json::Value ptq::schemeCellsAsJSON() {
  json::Array array;
  for (const SchemeCell &cell : schemeCells())
    if (cell.reason().empty())
      array.push_back(json::Object{{"scheme", cell.scheme->name},
                                   {"transformation", cell.transformation},
                                   {"rounding", cell.rounding},
                                   {"passes", json::Array(cell.passes())},
                                   {"gpu", cell.scheme->gpu}});
  return array;
}

void ptq::printSchemeTable(llvm::raw_ostream &os) {
  os << "# Schemes\n\n"
        "<!-- Generated by ptq-schemes; do not edit. -->\n\n"
        "Which schemes go with which transformations, roundings and lowerings. Every ✓ is a test: "
        "`integration.schemes` makes it of a trained model,\nruns it in the executor, lowered to "
        "linalg (`--ptq-to-linalg`) and to the CPU's runtime (`--ptq-to-cpu`), and compares its "
        "outputs with those of\nthe same rounding in float (`fake=true`). Where there is a GPU "
        "kernel, `--ptq-to-gpu` compiles it there, and the unit tests of lib/Kernels\nrun it in "
        "the emulator. Options are those of `--rtn` and `--gptq`; group sizes are "
        "examples.\n\n"
        "| scheme | weights | activations | options |";
  for (StringRef transformation : transformations)
    for (StringRef rounding : roundings)
      os << ' ' << (transformation == "none" ? "" : (transformation + " + ").str()) << rounding
         << " |";
  os << " linalg | CPU | GPU |\n|---|---|---|---|";
  for (size_t i = 0, n = std::size(transformations) * std::size(roundings) + 3; i != n; ++i)
    os << "---|";
  os << '\n';
  std::vector<StringRef> notes;
  for (const SchemeRow &row : rows) {
    os << "| " << row.name << " | " << row.weights << " | " << row.activations << " | `"
       << (row.pass.empty() ? row.options : row.pass) << "` |";
    for (StringRef transformation : transformations)
      for (StringRef rounding : roundings) {
        StringRef reason = SchemeCell{&row, transformation, rounding}.reason();
        if (reason.empty()) {
          os << " ✓ |";
          continue;
        }
        auto known = llvm::find(notes, reason);
        if (known == notes.end())
          known = notes.insert(notes.end(), reason);
        os << " –[^" << known - notes.begin() + 1 << "] |";
      }
    os << " ✓ | ✓ |" << (row.gpu ? " ✓ |\n" : " – |\n");
  }
  for (auto [i, note] : llvm::enumerate(notes))
    os << "\n[^" << i + 1 << "]: " << note << ".\n";
}
