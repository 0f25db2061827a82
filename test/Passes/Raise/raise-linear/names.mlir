// What a layer is called, in order of preference, and that no two are called the same.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: quant-opt %s --raise-linear=names=%S/Inputs/names.json | FileCheck %s --check-prefixes=CHECK,SIDECAR
// RUN: not quant-opt %s --raise-linear=names=%S/Inputs/no-such-file.json 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --raise-linear=names=%S/Inputs/names-no-json.json 2>&1 | FileCheck %s --check-prefix=NO-JSON
// RUN: not quant-opt %s --raise-linear=names=%S/Inputs/names-no-object.json 2>&1 | FileCheck %s --check-prefix=NO-OBJECT
// RUN: not quant-opt %s --raise-linear=names=%S/Inputs/names-bad-value.json 2>&1 | FileCheck %s --check-prefix=BAD-VALUE
// MISSING: error: cannot read '{{.*}}no-such-file.json': No such file or directory
// NO-JSON: error: '{{.*}}names-no-json.json' is not JSON:
// NO-OBJECT: error: '{{.*}}names-no-object.json' must be a JSON object of key to layer name
// BAD-VALUE: error: '{{.*}}names-bad-value.json': the name of 'a' is not a string

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

ml_program.global private @"model.layers.1.down_proj.weight"(dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32>) : tensor<2x4xf32>
ml_program.global private @"extern.weight"(#ml_program.extern<tensor<2x4xf32>>) : tensor<2x4xf32>

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}, %w: tensor<2x4xf32> {ptq.parameter = "fc.weight"})
    -> (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) {
  %c = arith.constant dense<0.0> : tensor<3x2xf32>
  // An attribute on the operation.
  // CHECK: ptq.linear {{.*}} {layer = "said so"}
  %0 = linalg.matmul indexing_maps = [#mk, #nk, #mn] {ptq.layer = "said so"} ins(%x, %w : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32> loc("location")
  // The key of an argument, or the name that a file gives to it.
  // PLAIN: ptq.linear {{.*}} {layer = "fc"}
  // SIDECAR: ptq.linear {{.*}} {layer = "renamed"}
  %1 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32> loc("location")
  // The same weight again: a tied one.
  // PLAIN: ptq.linear {{.*}} {layer = "fc@2"}
  // SIDECAR: ptq.linear {{.*}} {layer = "renamed@2"}
  %2 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  // The key that --load-parameters left on a constant goes before its resource's.
  // CHECK: ptq.linear {{.*}} {layer = "loaded"}
  %k = arith.constant {ptq.key = "loaded.weight"} dense_resource<torch_tensor_2_4_1> : tensor<2x4xf32>
  %3 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %k : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  // The resource's.
  // PLAIN: ptq.linear {{.*}} {layer = "torch_tensor_2_4"}
  // SIDECAR: ptq.linear {{.*}} {layer = "model.layers.0.up_proj"}
  %r = arith.constant dense_resource<torch_tensor_2_4> : tensor<2x4xf32>
  %4 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %r : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  // A global's symbol, with a value or without.
  // CHECK: ptq.linear {{.*}} {layer = "model.layers.1.down_proj"}
  %g = ml_program.global_load_const @"model.layers.1.down_proj.weight" : tensor<2x4xf32>
  %5 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %g : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  // CHECK: ptq.linear {{.*}} {layer = "extern"}
  %h = ml_program.global_load_const @"extern.weight" : tensor<2x4xf32>
  %6 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %h : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  // Without a key: a name location, in a call site too; else the word linear.
  // CHECK: ptq.linear {{.*}} {layer = "model.lm_head"}
  %i = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.5]]> : tensor<2x4xf32>
  %7 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %i : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
    loc(callsite("model.lm_head"("linear.py":125:0) at "modeling.py":12:0))
  // CHECK: ptq.linear {{.*}} {layer = "linear"}
  %8 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %i : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
    loc("linear.py":125:0)
  return %0, %1, %2, %3, %4, %5, %6, %7, %8
    : tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
}

// Names are given once in a function, not in a module: a decode step has the layers of the prefill.
// CHECK-LABEL: func.func @decode
// PLAIN: ptq.linear {{.*}} {layer = "fc"}
// SIDECAR: ptq.linear {{.*}} {layer = "renamed"}
func.func @decode(%x: tensor<1x4xf32> {ptq.input = "x"}, %w: tensor<2x4xf32> {ptq.parameter = "fc.weight"}) -> tensor<1x2xf32> {
  %c = arith.constant dense<0.0> : tensor<1x2xf32>
  %0 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<1x4xf32>, tensor<2x4xf32>) outs(%c : tensor<1x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}

// Unmarked arguments: by location, by position.
// CHECK-LABEL: func.func @unmarked
// CHECK: ptq.linear {{.*}} {layer = "blk.0.ffn_up"}
// CHECK: ptq.linear {{.*}} {layer = "arg2"}
func.func @unmarked(%x: tensor<3x4xf32>, %v: tensor<2x4xf32> loc("blk.0.ffn_up.weight"), %w: tensor<2x4xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %c = arith.constant dense<0.0> : tensor<3x2xf32>
  %0 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %v : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  %1 = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<3x4xf32>, tensor<2x4xf32>) outs(%c : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %0, %1 : tensor<3x2xf32>, tensor<3x2xf32>
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_2_4: "0x040000000000803F000000400000404000008040000080BF000000C0000040C0000080C0",
      torch_tensor_2_4_1: "0x040000000000803F000000400000404000008040000080BF000000C0000040C0000080C0"
    }
  }
#-}
