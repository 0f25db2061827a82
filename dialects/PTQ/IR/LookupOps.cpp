// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The verifier of the operation on codebooks.

#include "OpSupport.h"

using namespace mlir;
using namespace ptq;

LogicalResult LookupDequantizeOp::verify() {
  int64_t bits = getBits(), groupSize = getGroupSize();
  if (bits < 2 || bits > 8)
    return emitOpError("codes have 2 to 8 bits, not ") << bits;
  if (groupSize < 1)
    return emitOpError("a group has at least one column, not ") << groupSize;
  RankedTensorType result = getY().getType();
  if (!result.hasStaticShape())
    return emitOpError("result must have a static shape, but is ") << result;
  int64_t rows = result.getDimSize(0), columns = result.getDimSize(1);
  int64_t words = llvm::divideCeil(columns * bits, 32);
  int64_t groups = llvm::divideCeil(columns, groupSize);
  if (failed(verifyShape(*this, "codes", getCodes().getType(), {rows, words})) ||
      failed(verifyShape(*this, "table", getTable().getType(), {int64_t(1) << bits})) ||
      failed(verifyShape(*this, "scales", getScales().getType(), {rows, groups})))
    return failure();
  if (getOffset())
    return verifyShape(*this, "offset", getOffset().getType(), {1});
  return success();
}
