/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *   ptq-capi-test MODEL_DIR WORK_DIR
 *
 * Quantizes the tiny model through the C API, from C99, and provokes an error of each kind.
 */

#include "ptq-c/Module.h"
#include "ptq-c/Pipeline.h"
#include "ptq-c/Registration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                      \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

/* The messages of one call. */
struct Log {
  int counts[4];
  char text[4096];
};

static void take(PtqSeverity severity, MlirStringRef location, MlirStringRef message,
                 void *userData) {
  struct Log *log = userData;
  size_t used = strlen(log->text);
  log->counts[severity]++;
  snprintf(log->text + used, sizeof log->text - used, "%.*s|%.*s\n", (int)location.length,
           location.data, (int)message.length, message.data);
}

static struct Log messageLog;

/* A handler whose log is empty. */
static PtqMessageHandler fresh(void) {
  PtqMessageHandler handler = {take, &messageLog};
  memset(&messageLog, 0, sizeof messageLog);
  return handler;
}

/* The last call failed with one error that has these words. */
static int failedWith(const char *words) {
  if (messageLog.counts[PtqSeverityError] == 1 && strstr(messageLog.text, words))
    return 1;
  fprintf(stderr, "%d errors:\n%s", messageLog.counts[PtqSeverityError], messageLog.text);
  return 0;
}

static MlirStringRef str(const char *text) { return mlirStringRefCreateFromCString(text); }

static char paths[3][4096];
static MlirStringRef in(int slot, const char *folder, const char *name) {
  snprintf(paths[slot], sizeof paths[slot], "%s/%s", folder, name);
  return str(paths[slot]);
}

static void checkRegistration(void) {
  char version[32];
  MlirDialectHandle handle = mlirGetDialectHandle__ptq__();
  MlirDialectRegistry registry = mlirDialectRegistryCreate();
  MlirContext context;
  snprintf(version, sizeof version, "%d.%d.%d", PTQ_VERSION_MAJOR, PTQ_VERSION_MINOR,
           PTQ_VERSION_PATCH);
  CHECK(strcmp(ptqGetVersion(), version) == 0);

  CHECK(mlirStringRefEqual(mlirDialectHandleGetNamespace(handle), str("ptq")));
  mlirDialectHandleInsertDialect(handle, registry);
  context = mlirContextCreateWithRegistry(registry, /*threadingEnabled=*/false);
  CHECK(mlirContextGetNumRegisteredDialects(context) == 2); /* builtin is always there */
  CHECK(!mlirDialectIsNull(mlirContextGetOrLoadDialect(context, str("ptq"))));
  mlirContextDestroy(context);
  mlirDialectRegistryDestroy(registry);
}

static void checkErrors(MlirContext context, const char *model, const char *work) {
  MlirModule module;
  FILE *file;
  PtqPipeline pipeline = ptqPipelineCreate();

  module = ptqModuleRead(context, in(0, work, "no-such.mlir"), fresh());
  CHECK(mlirModuleIsNull(module) && failedWith("no-such.mlir"));

  file = fopen(in(0, work, "broken.mlir").data, "w");
  CHECK(file);
  fputs("func.func @main() {\n  return\n  nonsense\n}\n", file);
  fclose(file);
  module = ptqModuleRead(context, in(0, work, "broken.mlir"), fresh());
  CHECK(mlirModuleIsNull(module) && failedWith("broken.mlir:3:3|"));

  CHECK(mlirLogicalResultIsFailure(ptqPipelineAddPass(pipeline, str("gtpq"), str(""), fresh())));
  CHECK(failedWith("no pass named 'gtpq'"));
  CHECK(mlirLogicalResultIsFailure(
      ptqPipelineAddPass(pipeline, str("gptq"), str("bitz=4"), fresh())));
  CHECK(failedWith("bitz"));
  CHECK(mlirLogicalResultIsFailure(
      ptqPipelineAddPass(pipeline, str("gptq"), str("bits=four"), fresh())));
  CHECK(failedWith("gptq"));
  CHECK(mlirLogicalResultIsFailure(ptqPipelineAddText(pipeline, str("rtn{bits=4"), fresh())));
  CHECK(messageLog.counts[PtqSeverityError] == 1);
  CHECK(mlirLogicalResultIsFailure(ptqPipelineLoadParameters(pipeline, str(""), fresh())));
  CHECK(failedWith("empty"));
  CHECK(mlirLogicalResultIsFailure(ptqPipelineLoadParameters(pipeline, str("a\"b'c"), fresh())));
  CHECK(failedWith("quotation marks"));

  /* Nothing that failed was added: this pipeline runs, and changes nothing. */
  module = ptqModuleRead(context, in(0, model, "model.mlir"), fresh());
  CHECK(!mlirModuleIsNull(module));
  CHECK(mlirLogicalResultIsSuccess(ptqPipelineRun(pipeline, module, fresh())));
  CHECK(messageLog.text[0] == 0);

  /* A name with a space and a quotation mark reaches the pass whole. */
  CHECK(mlirLogicalResultIsSuccess(
      ptqPipelineLoadParameters(pipeline, str("/no such/it's.safetensors"), fresh())));
  CHECK(mlirLogicalResultIsFailure(ptqPipelineRun(pipeline, module, fresh())));
  CHECK(failedWith("/no such/it's.safetensors"));

  CHECK(mlirLogicalResultIsFailure(ptqModuleWrite(module, str("/no-such-folder/a.mlir"), fresh())));
  CHECK(failedWith("/no-such-folder/a.mlir"));
  mlirModuleDestroy(module);
  ptqPipelineDestroy(pipeline);
}

/* How often an operation of that name occurs in the module's functions. */
static int countOperations(MlirModule module, const char *name) {
  int count = 0;
  MlirOperation function = mlirBlockGetFirstOperation(mlirModuleGetBody(module));
  for (; !mlirOperationIsNull(function); function = mlirOperationGetNextInBlock(function)) {
    MlirRegion body = mlirOperationGetFirstRegion(function);
    MlirOperation op = mlirBlockGetFirstOperation(mlirRegionGetFirstBlock(body));
    for (; !mlirOperationIsNull(op); op = mlirOperationGetNextInBlock(op))
      count += mlirStringRefEqual(mlirIdentifierStr(mlirOperationGetName(op)), str(name));
  }
  return count;
}

static void checkQuantization(MlirContext context, const char *model, const char *work) {
  MlirModule module = ptqModuleRead(context, in(0, model, "model.mlir"), fresh());
  PtqPipeline pipeline = ptqPipelineCreate();
  MlirModule again;
  CHECK(!mlirModuleIsNull(module));
  CHECK(mlirLogicalResultIsSuccess(
      ptqPipelineLoadParameters(pipeline, in(0, model, "weights.safetensors"), fresh())));
  CHECK(mlirLogicalResultIsSuccess(
      ptqPipelineCalibrate(pipeline, in(1, model, "calibration.txt"), 2, fresh())));
  CHECK(mlirLogicalResultIsSuccess(
      ptqPipelineAddPass(pipeline, str("gptq"), str("bits=4 group-size=64"), fresh())));
  CHECK(mlirLogicalResultIsSuccess(
      ptqPipelineSaveParameters(pipeline, in(2, work, "quantized weights.safetensors"), fresh())));
  CHECK(mlirLogicalResultIsSuccess(ptqPipelineAddText(pipeline, str("canonicalize"), fresh())));
  CHECK(mlirLogicalResultIsSuccess(ptqPipelineRun(pipeline, module, fresh())));
  CHECK(messageLog.counts[PtqSeverityError] == 0);
  CHECK(messageLog.counts[PtqSeverityRemark] > 0); /* what was saved, and how large it is */
  CHECK(countOperations(module, "ptq.weight_only_linear") == 28);
  CHECK(countOperations(module, "ptq.linear") == 1); /* the head */

  CHECK(mlirLogicalResultIsSuccess(ptqModuleWrite(module, in(0, work, "quantized.mlir"), fresh())));
  again = ptqModuleRead(context, in(0, work, "quantized.mlir"), fresh());
  CHECK(!mlirModuleIsNull(again));
  CHECK(countOperations(again, "ptq.weight_only_linear") == 28);
  mlirModuleDestroy(again);
  mlirModuleDestroy(module);
  ptqPipelineDestroy(pipeline);
}

int main(int argc, char **argv) {
  MlirContext context;
  if (argc != 3) {
    fprintf(stderr, "usage: ptq-capi-test MODEL_DIR WORK_DIR\n");
    return 2;
  }
  checkRegistration();
  context = ptqContextCreate();
  checkErrors(context, argv[1], argv[2]);
  checkQuantization(context, argv[1], argv[2]);
  mlirContextDestroy(context);
  return 0;
}
