// What cannot be saved, and that nothing is left behind then.
//
// RUN: rm -rf %t && mkdir %t
// RUN: split-file %s %t
// RUN: not quant-opt %t/elided.mlir --save-parameters="file=%t/out.safetensors min-bytes=1" 2>&1 | FileCheck %s --check-prefix=ELIDED
// RUN: not quant-opt %t/type.mlir --save-parameters=file=%t/out.safetensors 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quant-opt %t/good.mlir --save-parameters 2>&1 | FileCheck %s --check-prefix=NO-FILE
// RUN: not quant-opt %t/good.mlir --save-parameters=file=%t/no/such/folder/out.safetensors 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not ls %t/out.safetensors
// ELIDED: error: cannot be saved: the resource '__elided__' has no data; it was elided when the IR was printed
// TYPE: error: cannot be saved: checkpoints have no element type 'i4'
// NO-FILE: error: save-parameters needs file=F, the safetensors file to write
// FOLDER: error: {{.*}}no/such/folder

//--- elided.mlir
func.func @main() -> tensor<4xf32> {
  %0 = arith.constant dense_resource<__elided__> : tensor<4xf32>
  return %0 : tensor<4xf32>
}
//--- type.mlir
func.func @main() -> tensor<4xi4> {
  %0 = arith.constant {ptq.key = "a"} dense<[1, 2, 3, 4]> : tensor<4xi4>
  return %0 : tensor<4xi4>
}
//--- good.mlir
func.func @main() -> tensor<2xf32> {
  %0 = arith.constant {ptq.key = "a"} dense<[1.0, 2.0]> : tensor<2xf32>
  return %0 : tensor<2xf32>
}
