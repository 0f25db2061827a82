// Of a mark that says how integers would be, NF4 takes the groups and, as bounds of the scales, the clip; an option
// overrides them. What the layer keeps of them: nothing.
//
// RUN: quant-opt %s --rtn="type=nf4 double-quantization=false only=." | FileCheck %s
// RUN: quant-opt %s --rtn="type=nf4 double-quantization=false granularity=channel only=other" | FileCheck %s --check-prefix=CHANNEL

// CHECK-LABEL: func.func @main
// CHECK: ptq.lookup_dequantize {{.*}}group_size = 4 : i64} : (tensor<1x1xi32>, tensor<16xf32>, tensor<1x2xf32>) -> tensor<1x8xf32>
// CHECK: ptq.linear {{.*}}{layer = "marked", ptq.report = {{{[^}]*}}}} :
// The absmax of the groups is 2 and 1.5, the clip 1.75 and 1.75: 1.75 and 1.5.
// CHECK: marked.weight_scale: "0x040000000000E03F0000C03F"

// CHANNEL: ptq.linear {{.*}}layer = "marked", ptq.skipped
// CHANNEL: ptq.lookup_dequantize {{.*}}group_size = 8 : i64}
// CHANNEL: ptq.linear {{.*}}layer = "other"
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> (tensor<3x1xf32>, tensor<3x1xf32>) {
  %w = arith.constant {ptq.key = "marked.weight"} dense<[[2.0, -1.0, 0.0, 0.25, -1.5, 1.0, 0.5, 0.25]]> : tensor<1x8xf32>
  %v = arith.constant {ptq.key = "other.weight"} dense<[[1.0, -1.0, 0.0, 0.25, -1.5, 1.0, 0.5, 0.25]]> : tensor<1x8xf32>
  %y = ptq.linear %x, %w {layer = "marked", weight_scheme = #ptq.scheme<bits = 8, asymmetric, per_group(4)>, clip = dense<1.75> : tensor<1x2xf32>}
     : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  %z = ptq.linear %x, %v {layer = "other", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>}
     : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  return %y, %z : tensor<3x1xf32>, tensor<3x1xf32>
}
