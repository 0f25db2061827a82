// Machine code for each chip; a fat binary of it, with PTX for chips to come: not of sm_90a, whose PTX is for no other.
//
// REQUIRES: ptxas
// RUN: quant-opt %s --ptq-to-gpu="chip=sm_90a,sm_86 format=cubin" | FileCheck %s --check-prefix=CUBIN
// RUN: quant-opt %s --ptq-to-gpu="chip=sm_90a,sm_86 format=fatbin" -o %t.mlir
// RUN: FileCheck %s --check-prefix=FATBIN --input-file=%t.mlir
// RUN: %python %S/Inputs/fatbin_contents.py %t.mlir | FileCheck %s --check-prefix=CONTENTS
//
// CUBIN: gpu.binary @ptq_kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx80">, bin = "\7FELF
// CUBIN-SAME: #gpu.object<#nvvm.target<O = 3, chip = "sm_86", features = "+ptx80">, bin = "\7FELF
// FATBIN: gpu.binary @ptq_kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx80">, "
// FATBIN-NOT: #gpu.object
// CONTENTS: elf 90
// CONTENTS: elf 86
// CONTENTS: ptx 86
// CONTENTS-NOT: {{.}}
func.func @layer(%q: tensor<1024x4096xi8>, %s: tensor<1024xf32>, %w: tensor<4096x4096xi8>, %ws: tensor<4096x1xf32>)
    -> tensor<1024x4096xf16> {
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<1024x4096xi8>, tensor<1024xf32>, tensor<4096x4096xi8>, tensor<4096x1xf32>) -> tensor<1024x4096xf16>
  return %y : tensor<1024x4096xf16>
}
