// One message, exit 1, and no output file.
//
// RUN: rm -rf %t && split-file %s %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2
// RUN: %make_safetensors write %t/none.safetensors x:F32:0x2
// RUN: not quant-run %t/absent.mlir 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not quant-run %t/broken.mlir 2>&1 | FileCheck %s --check-prefix=BROKEN
// RUN: not quant-run %t/model.mlir --inputs=%t/x.safetensors --function=other 2>&1 | FileCheck %s --check-prefix=FUNCTION
// RUN: not quant-run %t/model.mlir --inputs=%t/x.safetensors 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not quant-run %t/model.mlir --inputs=%t/y.safetensors 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not quant-run %t/identity.mlir --inputs=%t/none.safetensors 2>&1 | FileCheck %s --check-prefix=SAMPLES
// RUN: not quant-run %t/identity.mlir --inputs=%t/x.safetensors --device=tpu 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: not quant-run %t/assert.mlir --inputs=%t/x.safetensors --outputs=%t/y.safetensors 2>&1 | FileCheck %s --check-prefix=ASSERT
// RUN: not ls %t/y.safetensors
//
// ABSENT: quant-run: error: {{.*}}absent.mlir
// BROKEN: quant-run: error: {{.*}}broken.mlir:2:8: use of undeclared SSA value name
// BROKEN-NOT: {{.}}
// FUNCTION: quant-run: error: '{{.*}}model.mlir' has no function 'other'; it has main
// PARAMETER: quant-run: error: the arguments of 'main' do not fit: parameter 'w' is missing
// FILE: quant-run: error: {{.*}}y.safetensors
// SAMPLES: quant-run: error: '{{.*}}none.safetensors' holds no samples
// DEVICE: quant-run: error: there is no device 'tpu'; there are cpu, emulator and cuda
// ASSERT: quant-run: error: {{.*}}assert.mlir:3:3: 'cf.assert': assertion failed: never
// ASSERT-NOT: {{.}}

//--- model.mlir
func.func @main(%x: tensor<2xf32> {ptq.input = "x"}, %w: tensor<2xf32> {ptq.parameter = "w"}) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
//--- identity.mlir
func.func @main(%x: tensor<2xf32> {ptq.input = "x"}) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
//--- assert.mlir
func.func @main(%x: tensor<2xf32> {ptq.input = "x"}) -> tensor<2xf32> {
  %no = arith.constant false
  cf.assert %no, "never"
  return %x : tensor<2xf32>
}
//--- broken.mlir
func.func @main() -> tensor<2xf32> {
return %x : tensor<2xf32>
}
