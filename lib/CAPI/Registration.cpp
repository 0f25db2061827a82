// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq-c/Registration.h"

#include "ptq/IR/PTQ.h"
#include "ptq/InitAll.h"

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Registration.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"

#include <string_view>

#define PTQ_STRINGIFY_VALUE(value) #value
#define PTQ_STRINGIFY(macro) PTQ_STRINGIFY_VALUE(macro)
#define PTQ_C_VERSION                                                                              \
  PTQ_STRINGIFY(PTQ_VERSION_MAJOR)                                                                 \
  "." PTQ_STRINGIFY(PTQ_VERSION_MINOR) "." PTQ_STRINGIFY(PTQ_VERSION_PATCH)

static_assert(std::string_view(PTQ_C_VERSION) == PTQ_VERSION,
              "ptq-c/Registration.h has another version than the project");

const char *ptqGetVersion() { return PTQ_VERSION; }

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(PTQ, ptq, ptq::PTQDialect)

void ptqRegisterAllDialects(MlirDialectRegistry registry) {
  mlir::registerAllDialects(*unwrap(registry));
  mlir::registerAllExtensions(*unwrap(registry));
  ptq::registerDialects(*unwrap(registry));
}

void ptqRegisterAllPasses() {
  static bool once = (mlir::registerAllPasses(), ptq::registerAllPasses(), true);
  (void)once;
}

MlirContext ptqContextCreate() {
  ptqRegisterAllPasses();
  mlir::DialectRegistry registry;
  ptqRegisterAllDialects(wrap(&registry));
  return wrap(new mlir::MLIRContext(registry));
}
