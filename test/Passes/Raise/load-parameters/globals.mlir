// Extern globals: the symbol is the key.
//
// RUN: %make_safetensors write %t.safetensors model.fc.weight:F32:2x2 shared:F32:2
// RUN: quant-opt %s --load-parameters="file=%t.safetensors strict" | FileCheck %s

// CHECK-NOT: @model.fc.weight
// CHECK: ml_program.global private @other(dense<1.000000e+00> : tensor<2xf32>) : tensor<2xf32>
ml_program.global private @"model.fc.weight"(#ml_program.extern<tensor<2x2xf32>>) : tensor<2x2xf32>
ml_program.global private @"other"(dense<1.0> : tensor<2xf32>) : tensor<2xf32>
// One that is read in another way than by a constant load keeps its global, with the value.
// CHECK: ml_program.global private mutable @shared(dense_resource<shared> : tensor<2xf32>) : tensor<2xf32>
ml_program.global private mutable @"shared"(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>

// CHECK-LABEL: func.func @main
func.func @main() -> (tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>) {
  // CHECK: %[[W:.*]] = arith.constant {ptq.key = "model.fc.weight"{{.*}}} dense_resource<model.fc.weight> : tensor<2x2xf32>
  %w = ml_program.global_load_const @"model.fc.weight" : tensor<2x2xf32>
  // CHECK: ml_program.global_load_const @other
  %o = ml_program.global_load_const @"other" : tensor<2xf32>
  // CHECK: ml_program.global_load @shared
  %s = ml_program.global_load @"shared" : tensor<2xf32>
  // CHECK: return %[[W]]
  return %w, %o, %s : tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>
}
