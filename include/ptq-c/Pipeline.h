/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * C API: passes in order, and running them. docs/Passes.md has the passes and their options.
 *
 *   PtqPipeline pipeline = ptqPipelineCreate();
 *   ptqPipelineLoadParameters(pipeline, file, messages);
 *   ptqPipelineCalibrate(pipeline, samples, 0, messages);
 *   ptqPipelineAddPass(pipeline, name ("gptq"), options ("bits=4 group-size=64"), messages);
 *   ptqPipelineSaveParameters(pipeline, quantizedFile, messages);
 *   MlirLogicalResult result = ptqPipelineRun(pipeline, module, messages);
 *   ptqPipelineDestroy(pipeline);
 *
 * Every function that adds something fails, with an error and nothing added, if the name or the
 * options are not understood. Files are opened when the pipeline runs.
 */

#ifndef PTQ_C_PIPELINE_H
#define PTQ_C_PIPELINE_H

#include "ptq-c/Message.h"

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Passes on a module. It belongs to no context, and may run any number of times, on any modules,
 * but not at the same time from several threads. */
typedef struct PtqPipeline {
  void *ptr;
} PtqPipeline;

/* A pipeline without passes. All passes are registered. */
MLIR_CAPI_EXPORTED PtqPipeline ptqPipelineCreate(void);

MLIR_CAPI_EXPORTED void ptqPipelineDestroy(PtqPipeline pipeline);

/* Appends a registered pass by its name ("gptq"; upstream's as well: "canonicalize"), with options
 * as on quant-opt's command line ("bits=4 group-size=64"; empty for the defaults). */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineAddPass(PtqPipeline pipeline, MlirStringRef name,
                                                        MlirStringRef options,
                                                        PtqMessageHandler messages);

/* Appends a textual pipeline: "raise-linear,rtn{bits=4}", as within the parentheses of
 * --pass-pipeline='builtin.module(…)'. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineAddText(PtqPipeline pipeline, MlirStringRef text,
                                                        PtqMessageHandler messages);

/* Appends --load-parameters: binds the tensors of a safetensors file, or of a sharded checkpoint's
 * index.json, to the module's named parameters. The file is mapped, not read, and must stay as it
 * is while the module lives. Its name must have no comma, which separates files. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineLoadParameters(PtqPipeline pipeline,
                                                               MlirStringRef file,
                                                               PtqMessageHandler messages);

/* Appends --calibrate: statistics from samples, a safetensors file with a tensor for each input of
 * @main (of the input's shape, or N × that shape for N samples), or any file for a model whose only
 * input is byte ids. At most maxSamples of them; 0 is all. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineCalibrate(PtqPipeline pipeline, MlirStringRef data,
                                                          int64_t maxSamples,
                                                          PtqMessageHandler messages);

/* Appends --save-parameters: constants become named arguments again, and their data goes to a
 * safetensors file, which is written aside and renamed. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineSaveParameters(PtqPipeline pipeline,
                                                               MlirStringRef file,
                                                               PtqMessageHandler messages);

/* Runs the passes on the module, and at the end what they put off for later (--run-pending), as
 * quant-opt does. On failure some passes may have changed the module and others not: destroy it. */
MLIR_CAPI_EXPORTED MlirLogicalResult ptqPipelineRun(PtqPipeline pipeline, MlirModule module,
                                                    PtqMessageHandler messages);

#ifdef __cplusplus
}
#endif

#endif /* PTQ_C_PIPELINE_H */
