// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes to floats through a table.

#include "Functions.h"
#include "ptq/Numerics/LookupDequantize.h"
#include "ptq/Numerics/Packing.h"

namespace ptq::runtime {

llvm::Error lookupDequantize(llvm::ArrayRef<Argument> arguments, Allocator allocate) {
  const Argument &words = arguments[0], &table = arguments[1], &scales = arguments[2],
                 &offset = arguments[3];
  int64_t rows = words.shape[0], columns = arguments[4].scalar, groupSize = arguments[6].scalar;
  int32_t bits = arguments[5].scalar;
  if (llvm::Error error = checkBits(bits, 8))
    return error;
  if (columns < 0 || groupSize < 1)
    return llvm::createStringError("there are no " + llvm::Twine(columns) +
                                   " columns in groups of " + llvm::Twine(groupSize));
  int64_t groups = (columns + groupSize - 1) / groupSize;
  if (llvm::Error error =
          checkSize("words of the codes", words, {rows * numerics::packedWords(columns, bits)}))
    return error;
  if (llvm::Error error = checkSize("entries of the table", table, {int64_t(1) << bits}))
    return error;
  if (llvm::Error error = checkSize("scales", scales, {rows * groups}))
    return error;
  if (llvm::Error error = checkSize("offsets", offset, {1, 0}))
    return error;
  numerics::LookupWeight<float> weight;
  weight.bits = bits;
  weight.words = words.as<uint32_t>();
  weight.table = table.as<float>();
  weight.scales = scales.as<float>();
  weight.groupSize = groupSize;
  if (offset.size() == 1)
    weight.offset = offset.as<float>().front();
  auto *out = static_cast<float *>(allocate(0, {rows, columns}));
  numerics::dequantize(weight, numerics::MutableMatrix(out, rows, columns));
  return llvm::Error::success();
}

} // namespace ptq::runtime
