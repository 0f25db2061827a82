// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ptq dialect: attributes, interfaces and operations. dialects/PTQ/README.md says why they are
// as they are.

#ifndef PTQ_IR_PTQ_H
#define PTQ_IR_PTQ_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ptq/IR/PTQDialect.h.inc"

#include "ptq/IR/PTQEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ptq/IR/PTQAttrs.h.inc"

#include "ptq/IR/PTQInterfaces.h.inc"

#define GET_OP_CLASSES
#include "ptq/IR/PTQOps.h.inc"

#endif
