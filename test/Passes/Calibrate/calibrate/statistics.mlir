// Statistics of a layer's input, by hand; layers that share an input share them.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x2x2=1,-1
// RUN: quant-opt %s --calibrate="data=%t/x.safetensors save=%t/s.safetensors gram=true" | FileCheck %s
// RUN: %make_safetensors show %t/s.safetensors | FileCheck %s --check-prefix=FILE
// RUN: quant-opt %s --load-statistics=file=%t/s.safetensors | FileCheck %s --check-prefix=LOADED
// RUN: quant-opt %s --calibrate="data=%t/x.safetensors max-samples=1" | FileCheck %s --check-prefix=ONE
// RUN: quant-opt %s --calibrate="data=%t/x.safetensors statistics=false" | FileCheck %s --check-prefix=NONE
//
// The samples' tokens are (1, 0), (-1, -2), (-3, -4), (-5, -6): greatest 5 and 6, means 2.5 and 3, Gram matrix
// [[36, 44], [44, 56]].

// CHECK: module attributes {ptq.calibration = {data = "{{.*}}x.safetensors", function = "main", max_samples = 0 : i64}}
// CHECK: ptq.linear {{.*}}layer = "a", statistics = #ptq.statistics<tokens = 4, absmax = dense_resource<a.absmax> : tensor<2xf32>, mean_abs = dense_resource<a.mean_abs> : tensor<2xf32>>
// CHECK: ptq.linear {{.*}}layer = "b", statistics = #ptq.statistics<tokens = 4, absmax = dense_resource<a.absmax>
// CHECK-DAG: a.absmax: "0x040000000000A0400000C040"
// CHECK-DAG: a.mean_abs: "0x040000000000204000004040"

// FILE: a.absmax F32 [2] {{.*}}5{{.*}}6
// FILE: a.gram F32 [2, 2] {{.*}}36{{.*}}44{{.*}}44{{.*}}56
// FILE: a.mean_abs F32 [2] {{.*}}2.5{{.*}}3
// FILE: a.tokens I64 [1] {{.*}}4

// LOADED: module attributes {ptq.statistics_file =
// LOADED: layer = "a", statistics = #ptq.statistics<tokens = 4, absmax = dense_resource<[[A:.*]]> : tensor<2xf32>, mean
// LOADED: layer = "b", statistics = #ptq.statistics<tokens = 4, absmax = dense_resource<[[A]]> : tensor<2xf32>, mean
// LOADED-DAG: [[A]]: "0x040000000000A0400000C040"

// ONE: tokens = 2, absmax
// ONE-DAG: a.absmax: "0x040000000000803F00000040"

// NONE: ptq.calibration
// NONE-NOT: #ptq.statistics
func.func @main(%x: tensor<2x2xf32> {ptq.input = "x"}) -> (tensor<2x1xf32>, tensor<2x3xf32>) {
  %w = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %v = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %0 = ptq.linear %x, %w {layer = "a"} : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  %1 = ptq.linear %x, %v {layer = "b"} : (tensor<2x2xf32>, tensor<3x2xf32>) -> tensor<2x3xf32>
  return %0, %1 : tensor<2x1xf32>, tensor<2x3xf32>
}
