// Padding is in no statistics: tokens for which the input `attention_mask` is 0.
//
// RUN: %make_safetensors write %t.x.safetensors x:F32:2x2x2=8,-1 attention_mask:I64:2x2=0,1
// RUN: quant-opt %s --calibrate=data=%t.x.safetensors | FileCheck %s
// RUN: sed s/attention_mask/segments/ %s > %t.mlir
// RUN: %make_safetensors write %t.y.safetensors x:F32:2x2x2=8,-1 segments:I64:2x2=0,1
// RUN: quant-opt %t.mlir --calibrate=data=%t.y.safetensors | FileCheck %s --check-prefix=ALL
//
// The tokens are (8, 7), (6, 5), (4, 3), (2, 1), the first is padding: greatest 6 and 5, means 4 and 3. The pooled
// layer has one row a sample and sees both.
//
// CHECK: layer = "a", statistics = #ptq.statistics<tokens = 3,
// CHECK: layer = "pooled", statistics = #ptq.statistics<tokens = 2,
// CHECK-DAG: a.absmax: "0x040000000000C0400000A040"
// CHECK-DAG: a.mean_abs: "0x040000000000804000004040"
//
// ALL: layer = "a", statistics = #ptq.statistics<tokens = 4,
// ALL-DAG: a.absmax: "0x04000000000000410000E040"
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}, %mask: tensor<2xi64> {ptq.input = "attention_mask"}) -> (tensor<2x1xf32>, tensor<1x1xf32>) {
  %w = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %0 = ptq.linear %x, %w {layer = "a"} : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  %first = tensor.extract_slice %x[0, 0] [1, 2] [1, 1] : tensor<2x2xf32> to tensor<1x2xf32>
  %1 = ptq.linear %first, %w {layer = "pooled"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %0, %1 : tensor<2x1xf32>, tensor<1x1xf32>
}
