/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * C API: modules from and to files. For text in memory use mlirModuleCreateParse and
 * mlirOperationPrint.
 */

#ifndef PTQ_C_MODULE_H
#define PTQ_C_MODULE_H

#include "ptq-c/Message.h"

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads and verifies the module in a file, text or bytecode. Release it with mlirModuleDestroy. The
 * context needs the dialects that the file uses (ptqContextCreate has them all). On failure the
 * module is null (mlirModuleIsNull), and errors say why. */
MLIR_CAPI_EXPORTED MlirModule ptqModuleRead(MlirContext context, MlirStringRef file,
                                            PtqMessageHandler messages);

/* Writes the module to a file as text. The file is written aside and renamed: on failure an older
 * file of that name is as it was. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqModuleWrite(MlirModule module, MlirStringRef file,
                                                    PtqMessageHandler messages);

#ifdef __cplusplus
}
#endif

#endif /* PTQ_C_MODULE_H */
