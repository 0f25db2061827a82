// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parsing, printing and verification of the ptq attributes.

#include "ptq/IR/PTQ.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;

#include "ptq/IR/PTQEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ptq/IR/PTQAttrs.cpp.inc"

void PTQDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ptq/IR/PTQAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// SchemeAttr
//===----------------------------------------------------------------------===//

LogicalResult SchemeAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned bits,
                                 bool symmetric, Granularity granularity, int64_t groupSize,
                                 bool dynamic) {
  if (bits < 2 || bits > 8)
    return emitError() << "a scheme has 2 to 8 bits, not " << bits;
  if (granularity == Granularity::PerGroup && groupSize < 1)
    return emitError() << "a group has at least one element, not " << groupSize;
  if (granularity != Granularity::PerGroup && groupSize != 0)
    return emitError() << "only per_group has a group size";
  return success();
}

int64_t SchemeAttr::getGroupsPerRow(int64_t columns) const {
  return getGranularity() == Granularity::PerGroup ? columns / getGroupSize() : 1;
}

void SchemeAttr::print(AsmPrinter &printer) const {
  printer << "<bits = " << getBits() << (getSymmetric() ? ", symmetric, " : ", asymmetric, ")
          << stringifyGranularity(getGranularity());
  if (getGranularity() == Granularity::PerGroup)
    printer << '(' << getGroupSize() << ')';
  printer << (getDynamic() ? ", dynamic>" : ">");
}

Attribute SchemeAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  unsigned bits = 0;
  StringRef symmetry, name;
  int64_t groupSize = 0;
  bool dynamic = false;
  if (parser.parseLess() || parser.parseKeyword("bits") || parser.parseEqual() ||
      parser.parseInteger(bits) || parser.parseComma())
    return {};
  SMLoc symmetryLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&symmetry) || parser.parseComma())
    return {};
  if (symmetry != "symmetric" && symmetry != "asymmetric") {
    parser.emitError(symmetryLoc) << "expected symmetric or asymmetric, found '" << symmetry << "'";
    return {};
  }
  SMLoc nameLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&name))
    return {};
  std::optional<Granularity> granularity = symbolizeGranularity(name);
  if (!granularity) {
    parser.emitError(nameLoc) << "expected per_tensor, per_channel, per_token or per_group, found '"
                              << name << "'";
    return {};
  }
  if (*granularity == Granularity::PerGroup &&
      (parser.parseLParen() || parser.parseInteger(groupSize) || parser.parseRParen()))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    if (parser.parseKeyword("dynamic"))
      return {};
    dynamic = true;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<SchemeAttr>(loc, parser.getContext(), bits, symmetry == "symmetric",
                                       *granularity, groupSize, dynamic);
}

//===----------------------------------------------------------------------===//
// StatisticsAttr
//===----------------------------------------------------------------------===//

LogicalResult StatisticsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t tokens,
                                     ElementsAttr absmax, ElementsAttr meanAbs,
                                     ElementsAttr divisor) {
  if (tokens < 1)
    return emitError() << "statistics are of at least one token, not " << tokens;
  auto isVector = [](ElementsAttr attr) {
    return attr.getShapedType().getRank() == 1 && attr.getElementType().isF32();
  };
  if (!isVector(absmax) || absmax.getShapedType() != meanAbs.getShapedType())
    return emitError() << "absmax and mean_abs are float32 vectors of the same length, not "
                       << absmax.getShapedType() << " and " << meanAbs.getShapedType();
  if (divisor && divisor.getShapedType() != absmax.getShapedType())
    return emitError() << "divisor is a float32 vector of absmax's length, not "
                       << divisor.getShapedType();
  return success();
}

//===----------------------------------------------------------------------===//
// OutliersAttr
//===----------------------------------------------------------------------===//

LogicalResult OutliersAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   FloatAttr threshold, bool dynamic, bool dequantized,
                                   DenseI32ArrayAttr columns) {
  double value = threshold.getValueAsDouble();
  if (!(value > 0))
    return emitError() << "the threshold of outliers is greater than 0, not " << value;
  int32_t last = -1;
  for (int32_t column : columns.asArrayRef()) {
    if (column <= last)
      return emitError() << "the columns of outliers ascend from 0, but " << column << " follows "
                         << last;
    last = column;
  }
  return success();
}
