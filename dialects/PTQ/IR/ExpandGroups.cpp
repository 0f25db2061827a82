// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The verifier of the operation on progressive groups.

#include "OpSupport.h"

using namespace mlir;
using namespace ptq;

LogicalResult ExpandGroupsOp::verify() {
  int64_t bits = getBits();
  if (bits < 2 || bits > 7)
    return emitOpError("codes have 2 to 7 bits, not ") << bits;
  RankedTensorType result = getY().getType(), scales = getScales().getType();
  if (!result.hasStaticShape() || !scales.hasStaticShape())
    return emitOpError("result and scales must have static shapes, but are ")
           << result << " and " << scales;
  int64_t rows = result.getDimSize(0), columns = result.getDimSize(1);
  int64_t groups = scales.getDimSize(1);
  if (groups < 1 || columns % groups != 0)
    return emitOpError() << groups << " groups do not divide the " << columns << " columns";
  int64_t words = llvm::divideCeil(columns * bits, 32);
  if (failed(verifyShape(*this, "codes", getCodes().getType(), {rows, words})))
    return failure();
  return verifyShape(*this, "scales", scales, {rows, groups});
}
