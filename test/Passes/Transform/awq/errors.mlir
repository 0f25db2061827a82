// What awq cannot do: one message that says what and how to help it.
//
// RUN: not quant-opt %s --awq="group-size=4" -o %t 2>&1 | FileCheck %s --check-prefix=SAMPLES
// RUN: %make_safetensors write %t.x.safetensors x:F32:3x8=1
// RUN: quant-opt %s --calibrate="data=%t.x.safetensors save=%t.s.safetensors" -o /dev/null
// RUN: not quant-opt %s --load-statistics=file=%t.s.safetensors --awq="group-size=4" -o %t 2>&1 | FileCheck %s --check-prefix=SAMPLES
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --awq -o %t 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=4 bits=1" -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=4 grid=0" -o %t 2>&1 | FileCheck %s --check-prefix=GRID
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --awq="explicit-scale=no" -o %t 2>&1 | FileCheck %s --check-prefix=EXPLICIT
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=4 only=bad" -o %t 2>&1 | FileCheck %s --check-prefix=WEIGHT
// RUN: %make_safetensors write %t.nan.safetensors x:F32:3x8=nan
// RUN: not quant-opt %s --calibrate=data=%t.nan.safetensors --awq="group-size=4" -o %t 2>&1 | FileCheck %s --check-prefix=INPUT

// SAMPLES: error: awq: it looks at the layers' inputs, which needs calibration samples: run --calibrate="data=F" before (statistics of --load-statistics are not enough)
// GROUP: error: awq: layer 'good': group size 128 does not divide the width 8 of the weight; sizes that do: 8
// BITS: error: awq: layer 'good': cannot quantize to 1 bits
// GRID: error: awq: grid is a number of steps, 1 to 10000, not 0
// EXPLICIT: error: awq: explicit-scale is auto, never or always, not 'no'
// WEIGHT: error: awq: layer 'bad': the weight has a NaN at row 0, column 2
// INPUT: error: awq: {{.*}}'good'{{.*}}NaN
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> tensor<3x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]> : tensor<2x8xf32>
  %m = arith.constant dense<[[1.0, 2.0, 0x7FC00000, 4.0, 5.0, 6.0, 7.0, 8.0]]> : tensor<1x8xf32>
  %0 = ptq.linear %x, %w {layer = "good"} : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
  %1 = ptq.linear %x, %m {layer = "bad"} : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  %2 = math.tanh %0 : tensor<3x2xf32>
  %3 = math.tanh %1 : tensor<3x1xf32>
  return %2 : tensor<3x2xf32>
}
