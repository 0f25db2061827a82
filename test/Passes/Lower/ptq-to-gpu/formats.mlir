// One module for several chips: tiles that fit on all, an object for each.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80,sm_86,sm_80 | FileCheck %s --check-prefix=PTX
// RUN: not quant-opt %s --ptq-to-gpu=chip=sm_80,sm_81 2>&1 | FileCheck %s --check-prefix=UNKNOWN
//
// PTX: gpu.binary @ptq_kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">, assembly = {{.*}}.target sm_80
// PTX-SAME: #gpu.object<#nvvm.target<O = 3, chip = "sm_86", features = "+ptx80">, assembly = {{.*}}.target sm_86
// PTX-NOT: #gpu.object
// UNKNOWN: error: --ptq-to-gpu knows no chip 'sm_81'; it knows sm_80, sm_86, sm_89, sm_90a
func.func @layer(%q: tensor<1024x4096xi8>, %s: tensor<1024xf32>, %w: tensor<4096x4096xi8>, %ws: tensor<4096x1xf32>)
    -> tensor<1024x4096xf16> {
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<1024x4096xi8>, tensor<1024xf32>, tensor<4096x4096xi8>, tensor<4096x1xf32>) -> tensor<1024x4096xf16>
  return %y : tensor<1024x4096xf16>
}
