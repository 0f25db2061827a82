/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * C API: the library's version, its dialect, and contexts in which its passes run.
 *
 * The C API is in libPTQ-C, which also has MLIR's own C API of <mlir-c/IR.h>, <mlir-c/Pass.h> and
 * <mlir-c/Diagnostics.h>, so that MlirContext and MlirModule can be used with nothing else linked.
 * Names and ownership follow MLIR's: what a function named …Create or …Read returns is the caller's
 * to destroy, and a null pointer within it means failure. Nothing is thrown, and nothing exits.
 */

#ifndef PTQ_C_REGISTRATION_H
#define PTQ_C_REGISTRATION_H

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the headers. A minor version may add functions and, before 1.0, change them; a
 * patch does neither. */
#define PTQ_VERSION_MAJOR 0
#define PTQ_VERSION_MINOR 1
#define PTQ_VERSION_PATCH 0

/* The version of the library that is loaded, as "0.1.0". The string lives as long as the process.
 */
MLIR_CAPI_EXPORTED const char *ptqGetVersion(void);

/* The dialect `ptq`, for mlirDialectHandleRegisterDialect and its like. */
MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(PTQ, ptq);

/* Adds the dialect `ptq`, MLIR's own dialects and their extensions to a registry: what reading any
 * frontend's IR and running any pass needs. */
MLIR_CAPI_EXPORTED void ptqRegisterAllDialects(MlirDialectRegistry registry);

/* Registers the passes with MLIR's global registry, for textual pipelines. May be called again. */
MLIR_CAPI_EXPORTED void ptqRegisterAllPasses(void);

/* A context with all dialects and passes registered. Release it with mlirContextDestroy, after
 * every module made in it. */
MLIR_CAPI_EXPORTED MlirContext ptqContextCreate(void);

#ifdef __cplusplus
}
#endif

#endif /* PTQ_C_REGISTRATION_H */
