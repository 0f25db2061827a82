// What weight-only kernels get where activations are in float32.
//
// RUN: quant-opt %s --ptq-to-gpu 2>&1 | FileCheck %s --check-prefixes=REMARK,HALF
// RUN: quant-opt %s --ptq-to-gpu=float32-activations=bf16 2>&1 | FileCheck %s --check-prefixes=BREMARK,BFLOAT
// RUN: quant-opt %s --ptq-to-gpu=float32-activations=keep 2>&1 | FileCheck %s --check-prefix=KEEP
// RUN: not quant-opt %s --ptq-to-gpu=float32-activations=f64 2>&1 | FileCheck %s --check-prefix=ERROR
//
// REMARK: remark: layer 'fc' has float32 activations, which are rounded to f16 for its kernel (float32-activations)
// HALF: arith.truncf %{{.*}} : tensor<3x32xf32> to tensor<3x32xf16>
// HALF: gpu.launch_func @ptq_kernels::@weight_only_linear_b3_{{[a-z0-9_]+}}_f16_f32
// BREMARK: remark: layer 'fc' has float32 activations, which are rounded to bf16 for its kernel
// BFLOAT: arith.truncf %{{.*}} : tensor<3x32xf32> to tensor<3x32xbf16>
// BFLOAT: gpu.launch_func @ptq_kernels::@weight_only_linear_b3_{{[a-z0-9_]+}}_bf16_f32
// KEEP: remark: layer 'fc' is left as it is: its activations are in float32
// KEEP-NOT: gpu.
// KEEP: ptq.weight_only_linear
// KEEP-NOT: gpu.
// ERROR: error: --ptq-to-gpu: float32-activations is f16, bf16 or keep, not 'f64'
func.func @main(%x: tensor<3x32xf32>) -> tensor<3x4xf32> {
  %w = arith.constant dense<7> : tensor<4x3xi32>
  %s = arith.constant dense<1.0> : tensor<4x1xf32>
  %y = ptq.weight_only_linear %x, %w, %s {layer = "fc", scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
       : (tensor<3x32xf32>, tensor<4x3xi32>, tensor<4x1xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
