// scale-type=f16: a format that stores 16-bit scales then stores these, without a change.
//
// RUN: rm -rf %t && mkdir %t && %python %S/../../Interchange/save-checkpoint/Inputs/float_folder.py %t/float
// RUN: quant-opt %S/../../Interchange/save-checkpoint/round-trip.mlir --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 only=fc scale-type=f16" --save-checkpoint="format=gptq dir=%t/gptq from=%t/float lossless" -o %t/x.mlir 2>&1 | FileCheck %s
// CHECK: remark: {{.*}}; scales are exact
// RUN: quant-opt %S/../../Interchange/save-checkpoint/round-trip.mlir --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 only=fc scale-type=bf16" --save-checkpoint="format=awq dir=%t/awq from=%t/float scale-type=bf16 lossless" -o %t/x.mlir
// RUN: not quant-opt %S/../../Interchange/save-checkpoint/round-trip.mlir --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 only=fc" --save-checkpoint="format=gptq dir=%t/no from=%t/float lossless" -o %t/x.mlir 2>&1 | FileCheck %s --check-prefix=LOSS
// LOSS: error: {{.*}}scales of layer 'fc' change by up to {{.*}} when stored as F16
// RUN: not quant-opt %S/../../Interchange/save-checkpoint/round-trip.mlir --rtn="scale-type=f8 only=fc group-size=32" -o %t/x.mlir 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: {{.*}}scale-type is f32, f16 or bf16, not 'f8'
