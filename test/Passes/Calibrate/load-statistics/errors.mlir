// A file of another model's statistics is refused, with all that does not fit.
//
// RUN: %make_safetensors write %t.safetensors a.absmax:F32:3 a.mean_abs:F32:3 a.tokens:I64:1=4
// RUN: not quant-opt %s --load-statistics=file=%t.safetensors 2>&1 | FileCheck %s
// CHECK: error: load-statistics: '{{.*}}' is of another model:
// CHECK-NEXT: 'a' has 2 input channels in the model, 3 in the file
// CHECK-NEXT: 'b' is not in the file
// CHECK-NEXT: calibrate this one
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %w = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %0 = ptq.linear %x, %w {layer = "a"} : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  %1 = ptq.linear %x, %w {layer = "b"} : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  return %0, %1 : tensor<2x1xf32>, tensor<2x1xf32>
}
