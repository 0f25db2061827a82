// Everything that does not match is one message.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/f.safetensors model.fc.weight:F32:3x2 shape:F32:2x2 type:F16:2 unused:F32:1 other:F32:1
// RUN: not quant-opt %s --load-parameters=file=%t/f.safetensors 2>&1 | FileCheck %s
// RUN: not quant-opt %s --load-parameters="file=%t/f.safetensors strict=true" 2>&1 | FileCheck %s --check-prefixes=CHECK
//
// CHECK: error: the parameters do not match the files (
// CHECK-DAG: wrong shape: 'shape' is F32 [2, 2] in the files, tensor<2x3xf32> in the model
// CHECK-DAG: wrong type: 'type' is F16 [2] in the files, tensor<2xf32> in the model
// CHECK-DAG: missing: 'fc.weight' (the files have 'model.fc.weight')
// CHECK-DAG: missing: 'nowhere'
// CHECK-DAG: missing: 'global'
// CHECK-DAG: parameter 'dynamic' is not a tensor of static shape in the model
// CHECK-DAG: extra: 'unused' is in the files, but no parameter has that name
// CHECK-DAG: extra: 'other' is in the files, but no parameter has that name
// CHECK: load the checkpoint that the model was exported from, or rename its tensors
//
// Extra tensors alone: a warning, or with strict an error.
// RUN: %make_safetensors write %t/g.safetensors w:F32:2 unused:F32:1
// RUN: quant-opt %S/Inputs/one.mlir --load-parameters=file=%t/g.safetensors 2>&1 | FileCheck %s --check-prefix=WARNING
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters="file=%t/g.safetensors strict" 2>&1 | FileCheck %s --check-prefix=STRICT-ERROR
// WARNING: warning: extra: 'unused' is in the files, but no parameter has that name
// WARNING: arith.constant {ptq.key = "w"{{.*}}}
// STRICT-ERROR: error: the parameters do not match the files (1):
// STRICT-ERROR-NEXT: extra: 'unused'
//
// A module that names no parameter.
// RUN: quant-opt %S/Inputs/none.mlir --load-parameters=file=%t/g.safetensors 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: warning: the module names no parameter: arguments need the attribute ptq.parameter
//
// Files.
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters 2>&1 | FileCheck %s --check-prefix=NO-FILE
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters=file=%t/absent.safetensors 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters=file=%t/g.safetensors,%t/g.safetensors 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: echo "not a checkpoint" > %t/text.safetensors
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters=file=%t/text.safetensors 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: %python %S/Inputs/write_index.py %t/index.json w=absent.safetensors
// RUN: not quant-opt %S/Inputs/one.mlir --load-parameters=file=%t/index.json 2>&1 | FileCheck %s --check-prefix=SHARD
// NO-FILE: error: load-parameters needs file=F
// ABSENT: error: '{{.*}}absent.safetensors': cannot open: No such file or directory
// TWICE: error: '{{.*}}g.safetensors': tensor '{{.*}}' is also in '{{.*}}g.safetensors'
// TEXT: error: '{{.*}}text.safetensors':
// SHARD: error: '{{.*}}index.json': shard '{{.*}}absent.safetensors', which holds tensor 'w', is missing

ml_program.global private @"global"(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
func.func @main(%a: tensor<2x3xf32> {ptq.parameter = "shape"}, %b: tensor<2xf32> {ptq.parameter = "type"},
                %c: tensor<3x2xf32> {ptq.parameter = "fc.weight"}, %d: tensor<2xf32> {ptq.parameter = "nowhere"},
                %e: tensor<?xf32> {ptq.parameter = "dynamic"}, %f: tensor<2x3xf32> {ptq.parameter = "shape"},
                %g: tensor<2x2xf32> {ptq.parameter = "shape"}) {
  return
}
