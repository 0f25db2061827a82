// One message that says what is wrong and what to do.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x2x2
// RUN: %make_safetensors write %t/name.safetensors y:F32:2x2x2
// RUN: %make_safetensors write %t/shape.safetensors x:F32:2x2x3
// RUN: %make_safetensors write %t/type.safetensors x:F16:2x2
// RUN: %make_safetensors write %t/zero.safetensors x:F32:0x2x2
// RUN: %make_safetensors write %t/inf.safetensors x:F32:2x2=inf
// RUN: not quant-opt %s --calibrate 2>&1 | FileCheck %s --check-prefix=DATA
// RUN: not quant-opt %s --calibrate="data=%t/none.safetensors" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %s --calibrate="data=%t/x.safetensors function=other" 2>&1 | FileCheck %s --check-prefix=FUNCTION
// RUN: not quant-opt %s --calibrate="data=%t/name.safetensors" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --calibrate="data=%t/shape.safetensors" 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not quant-opt %s --calibrate="data=%t/type.safetensors" 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quant-opt %s --calibrate="data=%t/zero.safetensors" 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not quant-opt %s --calibrate="data=%t/inf.safetensors" 2>&1 | FileCheck %s --check-prefix=INF
// RUN: not quant-opt %s --calibrate="data=%t/x.safetensors max-samples=-1" 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not quant-opt %s --calibrate="data=%t/x.safetensors gram=true" 2>&1 | FileCheck %s --check-prefix=GRAM
// RUN: not quant-opt %s --gptq 2>&1 | FileCheck %s --check-prefix=GPTQ

// DATA: error: calibrate: it needs data=F
// NONE: error: calibrate: {{.*}}none.safetensors
// FUNCTION: error: calibrate: there is no function @other with a body; the module has @main
// NAME: error: calibrate: {{.*}}'x'
// SHAPE: error: calibrate: {{.*}}'x'
// TYPE: error: calibrate: {{.*}}'x'
// ZERO: error: calibrate: {{.*}}no samples
// INF: error: calibrate: layer 'a': {{.*}}channel 0
// COUNT: error: calibrate: max-samples is a count
// GRAM: error: calibrate: gram=true needs save=F
// GPTQ: error: gptq: it needs calibration samples: run --calibrate="data=F" before
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}) -> tensor<2x1xf32> {
  %w = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %0 = ptq.linear %x, %w {layer = "a"} : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  return %0 : tensor<2x1xf32>
}
