// The plugin in the stock mlir-opt: the dialect, the passes, their options.
//
// RUN: mlir-opt %s --load-dialect-plugin=%ptq_plugin | FileCheck %s --check-prefix=DIALECT
// RUN: mlir-opt %s --load-dialect-plugin=%ptq_plugin --emit-bytecode \
// RUN:   | mlir-opt --load-dialect-plugin=%ptq_plugin | FileCheck %s --check-prefix=DIALECT
// RUN: mlir-opt %s --load-dialect-plugin=%ptq_plugin --load-pass-plugin=%ptq_plugin \
// RUN:   --pass-pipeline='builtin.module(raise-linear)' | FileCheck %s --check-prefix=RAISE
// RUN: mlir-opt %s --load-dialect-plugin=%ptq_plugin --load-pass-plugin=%ptq_plugin \
// RUN:   --pass-pipeline='builtin.module(raise-linear,ptq-to-linalg,canonicalize)' \
// RUN:   | mlir-opt | FileCheck %s --check-prefix=LOWER --implicit-check-not=ptq.linear
//
// Options, lists among them:
// RUN: %make_safetensors write %t.1.safetensors fc.weight:F32:32x8
// RUN: %make_safetensors write %t.2.safetensors fc.bias:F32:32
// RUN: mlir-opt %s --load-dialect-plugin=%ptq_plugin --load-pass-plugin=%ptq_plugin \
// RUN:   --pass-pipeline='builtin.module(load-parameters{file=%t.1.safetensors,%t.2.safetensors strict=true},raise-linear,save-parameters{file=%t.3.safetensors})' \
// RUN:   | FileCheck %s --check-prefix=OPTIONS
// RUN: %make_safetensors show %t.3.safetensors fc.bias | FileCheck %s --check-prefix=SAVED
//
// Without the dialect plugin, the pass plugin's passes are there all the same, for modules without ptq operations:
// RUN: mlir-opt %forms/linear_2d_bias_torchmlir.mlir --load-pass-plugin=%ptq_plugin \
// RUN:   --pass-pipeline='builtin.module(raise-linear)' | FileCheck %s --check-prefix=FORM
//
// Nothing but the entry points is exported:
// RUN: llvm-nm --dynamic --defined-only --extern-only --format=just-symbols %ptq_plugin | FileCheck %s --check-prefix=SYMBOLS

// DIALECT: ptq.observe "y"
// RAISE: ptq.linear %{{.*}}, %{{.*}} bias %{{.*}} {layer = "fc"}
// LOWER: linalg.matmul
// OPTIONS: func.func @main(%{{.*}}: tensor<4x8xf32> {ptq.input = "x"}
// OPTIONS-SAME: tensor<32x8xf32> {ptq.parameter = "fc.weight"}
// OPTIONS: ptq.linear %{{.*}}, %{{.*}} bias %{{.*}} {layer = "fc"}
// SAVED: fc.bias F32 [32] 0 1 2 3
// FORM: ptq.linear
// SYMBOLS-NOT: {{.}}
// SYMBOLS: mlirGetDialectPluginInfo
// SYMBOLS-NEXT: mlirGetPassPluginInfo
// SYMBOLS-NOT: {{.}}
func.func @main(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<32x8xf32> {ptq.parameter = "fc.weight"},
                %b: tensor<32xf32> {ptq.parameter = "fc.bias"}) -> tensor<4x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32xf32>) -> tensor<4x32xf32>
  %mm = linalg.matmul
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%x, %w : tensor<4x8xf32>, tensor<32x8xf32>) outs(%init : tensor<4x32xf32>) -> tensor<4x32xf32>
  %sum = linalg.generic {
      indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%mm, %b : tensor<4x32xf32>, tensor<32xf32>) outs(%e : tensor<4x32xf32>) {
    ^bb0(%y: f32, %c: f32, %o: f32):
      %s = arith.addf %y, %c : f32
      linalg.yield %s : f32
  } -> tensor<4x32xf32>
  %y = ptq.observe "y" %sum : tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
