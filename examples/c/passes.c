/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *   passes MODEL.mlir PIPELINE OUTPUT.mlir
 *
 * Runs a textual pipeline, "raise-linear,rtn{bits=4 group-size=32}" say, on a module.
 */

#include "ptq-c/Module.h"
#include "ptq-c/Pipeline.h"
#include "ptq-c/Registration.h"

#include <stdio.h>

static void print(PtqSeverity severity, MlirStringRef location, MlirStringRef message,
                  void *userData) {
  static const char *const names[] = {"error", "warning", "note", "remark"};
  (void)userData;
  fprintf(stderr, "passes: %.*s%s%s: %.*s\n", (int)location.length, location.data,
          location.length ? ": " : "", names[severity], (int)message.length, message.data);
}

int main(int argc, char **argv) {
  PtqMessageHandler messages = {print, NULL};
  MlirContext context;
  MlirModule module;
  PtqPipeline pipeline;
  int succeeded;
  if (argc != 4) {
    fprintf(stderr, "usage: passes MODEL.mlir PIPELINE OUTPUT.mlir (mlir-ptq %s)\n",
            ptqGetVersion());
    return 2;
  }
  context = ptqContextCreate();
  pipeline = ptqPipelineCreate();
  module = ptqModuleRead(context, mlirStringRefCreateFromCString(argv[1]), messages);
  succeeded = !mlirModuleIsNull(module) &&
              mlirLogicalResultIsSuccess(ptqPipelineAddText(
                  pipeline, mlirStringRefCreateFromCString(argv[2]), messages)) &&
              mlirLogicalResultIsSuccess(ptqPipelineRun(pipeline, module, messages)) &&
              mlirLogicalResultIsSuccess(
                  ptqModuleWrite(module, mlirStringRefCreateFromCString(argv[3]), messages));
  if (!mlirModuleIsNull(module))
    mlirModuleDestroy(module);
  ptqPipelineDestroy(pipeline);
  mlirContextDestroy(context);
  return succeeded ? 0 : 1;
}
