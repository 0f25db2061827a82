/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * C API: how functions say what went wrong.
 */

#ifndef PTQ_C_MESSAGE_H
#define PTQ_C_MESSAGE_H

#include "mlir-c/Support.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A failing function gives at least one error; a successful one none, but maybe warnings and
 * remarks. A note belongs to the message before it. The values are those of MlirDiagnosticSeverity.
 */
typedef enum PtqSeverity {
  PtqSeverityError = 0,
  PtqSeverityWarning = 1,
  PtqSeverityNote = 2,
  PtqSeverityRemark = 3
} PtqSeverity;

/* Takes one message. `location` is "FILE:LINE:COLUMN", or another location as MLIR prints it, or
 * empty where none is known; both strings are UTF-8, need not end with a zero byte and live until
 * the callback returns. Calls are made one at a time, from any thread, before the function that was
 * given the callback returns. A callback must not use the context's IR. */
typedef void (*PtqMessageCallback)(PtqSeverity severity, MlirStringRef location,
                                   MlirStringRef message, void *userData);

/* Where messages go: the callback and what it is given. With a null callback errors, warnings and
 * notes are printed to stderr, and so are remarks. */
typedef struct PtqMessageHandler {
  PtqMessageCallback callback;
  void *userData;
} PtqMessageHandler;

#ifdef __cplusplus
}
#endif

#endif /* PTQ_C_MESSAGE_H */
