// What smoothquant cannot do: one message that says what and how to help it.
//
// RUN: not quant-opt %s --smoothquant -o %t 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not quant-opt %s --smoothquant="alpha=auto" -o %t 2>&1 | FileCheck %s --check-prefix=SAMPLES
// RUN: not quant-opt %s --smoothquant="alpha=1.5" -o %t 2>&1 | FileCheck %s --check-prefix=ALPHA -DALPHA=1.5
// RUN: not quant-opt %s --smoothquant="alpha=nan" -o %t 2>&1 | FileCheck %s --check-prefix=ALPHA -DALPHA=nan
// RUN: not quant-opt %s --smoothquant="alpha=half" -o %t 2>&1 | FileCheck %s --check-prefix=ALPHA -DALPHA=half
// RUN: not quant-opt %s --smoothquant="granularity=O4" -o %t 2>&1 | FileCheck %s --check-prefix=GRANULARITY
// RUN: not quant-opt %s --smoothquant="explicit-scale=sometimes" -o %t 2>&1 | FileCheck %s --check-prefix=EXPLICIT
// RUN: not quant-opt %s --smoothquant="attention=int4" -o %t 2>&1 | FileCheck %s --check-prefix=ATTENTION
// RUN: not quant-opt %s --smoothquant="only=nothing" -o %t 2>&1 | FileCheck %s --check-prefix=ONLY
//
// Samples that hold a NaN, a weight that does.
// RUN: %make_safetensors write %t.nan.safetensors x:F32:3x8=nan
// RUN: not quant-opt %s --calibrate=data=%t.nan.safetensors --smoothquant="alpha=auto" -o %t 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: %make_safetensors write %t.x.safetensors x:F32:3x8=1
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --smoothquant="only=bad" -o %t 2>&1 | FileCheck %s --check-prefix=WEIGHT
// RUN: not quant-opt %s --calibrate=data=%t.x.safetensors --smoothquant="alpha=auto only=bad" -o %t 2>&1 | FileCheck %s --check-prefix=WEIGHT

// STATISTICS: error: smoothquant: layers 'good', 'bad': no statistics: run --calibrate="data=F" or --load-statistics="file=F" before
// SAMPLES: error: smoothquant: it looks at the layers' inputs, which needs calibration samples: run --calibrate="data=F" before
// ALPHA: error: smoothquant: alpha is a number between 0 and 1, or auto, not '[[ALPHA]]'
// GRANULARITY: error: smoothquant: granularity is O1, O2 or O3, not 'O4'
// EXPLICIT: error: smoothquant: explicit-scale is auto, never or always, not 'sometimes'
// ATTENTION: error: smoothquant: attention is float or int8, not 'int4'
// ONLY: error: smoothquant: only='nothing' matches no layer's name
// INPUT: error: smoothquant: {{.*}}'good'{{.*}}NaN
// WEIGHT: error: smoothquant: layer 'bad': the {{greatest weight of channel 2 is nan|weight has a NaN at row 0, column 2}}
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> tensor<3x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]> : tensor<2x8xf32>
  %m = arith.constant dense<[[1.0, 2.0, 0x7FC00000, 4.0, 5.0, 6.0, 7.0, 8.0]]> : tensor<1x8xf32>
  %0 = ptq.linear %x, %w {layer = "good"} : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
  %1 = ptq.linear %x, %m {layer = "bad"} : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  %2 = math.tanh %0 : tensor<3x2xf32>
  %3 = math.tanh %1 : tensor<3x1xf32>
  return %2 : tensor<3x2xf32>
}
