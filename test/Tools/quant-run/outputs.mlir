// Samples stack, results are named, parameters and inputs are found by name.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/w.safetensors layer.weight:F32:2x2=1
// RUN: %make_safetensors write %t/one.safetensors x:F32:1x2=1
// RUN: %make_safetensors write %t/three.safetensors x:F32:3x1x2=1
// RUN: quant-run %s --parameters=%t/w.safetensors --inputs=%t/one.safetensors --outputs=%t/y1.safetensors | FileCheck %s --check-prefix=TABLE
// RUN: %make_safetensors show %t/y1.safetensors | FileCheck %s --check-prefix=ONE
// RUN: quant-run %s --parameters=%t/w.safetensors --inputs=%t/three.safetensors --outputs=%t/y3.safetensors
// RUN: %make_safetensors show %t/y3.safetensors | FileCheck %s --check-prefix=THREE
// RUN: quant-run %s --parameters=%t/w.safetensors --inputs=%t/three.safetensors --outputs=%t/y2.safetensors --max-samples=2
// RUN: %make_safetensors show %t/y2.safetensors | FileCheck %s --check-prefix=TWO
// RUN: quant-run %s --function=twice --inputs=%t/three.safetensors --outputs=%t/twice.safetensors
// RUN: %make_safetensors show %t/twice.safetensors | FileCheck %s --check-prefix=TWICE

// TABLE: 1 samples in
// ONE: logits F32 [1, 2] {{.*}}5{{.*}} {{.*}}11
// ONE: output.1 F32 [1, 2] {{.*}}1{{.*}} {{.*}}2
// THREE: logits F32 [3, 1, 2] {{.*}}5{{.*}}11{{.*}}11{{.*}}25{{.*}}17{{.*}}39
// THREE: output.1 F32 [3, 1, 2]
// TWO: logits F32 [2, 1, 2] {{.*}}5{{.*}}11{{.*}}11{{.*}}25
// TWICE: output F32 [3, 1, 2] {{.*}}2{{.*}}4{{.*}}6{{.*}}8{{.*}}10{{.*}}12
func.func @main(%x: tensor<1x2xf32> {ptq.input = "x"}, %w: tensor<2x2xf32> {ptq.parameter = "layer.weight"})
    -> (tensor<1x2xf32> {ptq.output = "logits"}, tensor<1x2xf32>) {
  %0 = ptq.linear %x, %w : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0, %x : tensor<1x2xf32>, tensor<1x2xf32>
}

func.func @twice(%x: tensor<1x2xf32> {ptq.input = "x"}) -> tensor<1x2xf32> {
  %0 = arith.addf %x, %x : tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
