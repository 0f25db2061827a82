// The bytes of a text file are the samples of a model of byte ids; a remainder is dropped.
//
// RUN: printf 'ABCDEFGHIJ' > %t.txt
// RUN: quant-opt %s --calibrate="data=%t.txt" | FileCheck %s
// RUN: printf 'AB' > %t.short
// RUN: not quant-opt %s --calibrate="data=%t.short" 2>&1 | FileCheck %s --check-prefix=SHORT
//
// Two samples of four ids: the greatest are 'E' to 'H', 69 to 72.
// CHECK: tokens = 2, absmax
// CHECK: f.absmax: "0x0400000000008A4200008C4200008E4200009042"
// SHORT: error: calibrate: '{{.*}}' has 2 bytes; one sample takes 4
func.func @main(%ids: tensor<1x4xi64> {ptq.input = "ids"}) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]]> : tensor<2x4xf32>
  %x = arith.sitofp %ids : tensor<1x4xi64> to tensor<1x4xf32>
  %0 = ptq.linear %x, %w {layer = "f"} : (tensor<1x4xf32>, tensor<2x4xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
