// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/IR/PTQ.h"

using namespace mlir;
using namespace ptq;

#include "ptq/IR/PTQDialect.cpp.inc"

#include "ptq/IR/PTQInterfaces.cpp.inc"

void PTQDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "ptq/IR/PTQOps.cpp.inc"
      >();
}
