// Scales by hand, where they go, and marks.
//
// RUN: quant-opt %s --smoothquant 2>%t.log | FileCheck %s
// RUN: quant-opt %s --smoothquant --save-parameters=file=%t.s.safetensors -o /dev/null 2>/dev/null
// RUN: %make_safetensors show %t.s.safetensors | FileCheck %s --check-prefix=FILE
// RUN: quant-opt %s --smoothquant="alpha=1.0 only=b" --save-parameters=file=%t.s.safetensors -o /dev/null 2>/dev/null
// RUN: %make_safetensors show %t.s.safetensors | FileCheck %s --check-prefix=ONE-FILE
// RUN: FileCheck %s --check-prefix=REMARK < %t.log
// RUN: quant-opt %s --smoothquant="explicit-scale=never granularity=O2" 2>%t.log | FileCheck %s --check-prefix=NEVER
// RUN: FileCheck %s --check-prefix=NEVER-REMARK < %t.log
// RUN: quant-opt %s --smoothquant="alpha=1.0 granularity=O3 only=b" 2>/dev/null | FileCheck %s --check-prefix=ONE
// RUN: quant-opt %s --smoothquant="skip=b" 2>/dev/null | FileCheck %s --check-prefix=SKIP
// RUN: quant-opt %s --smoothquant="only=head" 2>/dev/null | FileCheck %s --check-prefix=HEAD
//
// The model computes what it did, twice transformed as well.
// RUN: %make_safetensors write %t.x.safetensors x:F32:3x2=-1,0.75
// RUN: quant-opt %s --smoothquant --smoothquant="alpha=0.8" -o %t.mlir 2>/dev/null
// RUN: quant-run %t.mlir --inputs=%t.x.safetensors --reference=%s --json=%t.json
// RUN: FileCheck %s --check-prefix=SAME < %t.json
// SAME: "relative_max_error": {{(0|[0-9.]+e-0[6-9])[,[:space:]]}}
//
// s = sqrt(max|x| / max|w|): for b sqrt(16 / 4) = 2 and sqrt(4 / 0.25) = 4, for a sqrt(9 / 1) = 3 and
// sqrt(8 / 2) = 2; a is divided by b's scales and multiplied by its own.

// FILE-DAG: a.weight F32 [2, 2] 1.5 2 -0.75 1
// FILE-DAG: a.bias F32 [2] 0.5 0.25
// FILE-DAG: b.weight F32 [2, 2] 8 1 2 -0.5
// CHECK: %[[X:.*]] = ptq.scale_channels %{{.*}}, %
// CHECK: ptq.linear %[[X]], %{{.*}} bias %{{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a", ptq.input_scale = "explicit", ptq.transform = {smoothquant = {alpha = 5.000000e-01 : f64, where = "explicit, because
// CHECK-SAME: weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>
// CHECK: ptq.linear %{{.*}}, %{{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "b", ptq.input_scale = "folded"
// CHECK: ptq.linear {{.*}} {layer = "head", ptq.skipped =

// CHECK: a.input_scale: "0x04000000ABAAAA3E0000003F"

// REMARK: remark: smoothquant: layer 'a': input scale explicit, because {{.*}}; alpha 0.50
// REMARK: remark: smoothquant: layer 'b': input scale folded: rows of a; alpha 0.50

// NEVER-NOT: ptq.scale_channels
// NEVER: ptq.linear %arg0, {{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor, dynamic>, layer = "a", ptq.input_scale = "none"
// NEVER-SAME: weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>
// NEVER: layer = "b", ptq.input_scale = "folded"
// NEVER-REMARK: remark: smoothquant: layer 'a': input scale none: explicit-scale=never, and it would be explicit, because
// NEVER-REMARK: remark: smoothquant: layer 'b': input scale folded: rows of a

// With alpha 1 the scales are the maxima, 16 and 4.
// ONE-FILE-DAG: a.weight F32 [2, 2] 0.0625 0.125 -0.25 0.5
// ONE-FILE-DAG: b.weight F32 [2, 2] 64 1 16 -0.5
// ONE: ptq.linear %arg0, {{.*}} {layer = "a", ptq.skipped = "its name does not match only='b'"
// ONE: ptq.linear {{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, layer = "b"

// SKIP: layer = "a", ptq.input_scale = "explicit"
// SKIP: ptq.linear {{.*}} {layer = "b", ptq.skipped

// HEAD: ptq.linear {{.*}} {layer = "a", ptq.skipped
// HEAD: activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "head"
#map = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<3x2xf32> {ptq.input = "x"}) -> tensor<3x2xf32> {
  %wa = arith.constant {ptq.key = "a.weight"} dense<[[1.0, 2.0], [-1.0, 2.0]]> : tensor<2x2xf32>
  %ba = arith.constant {ptq.key = "a.bias"} dense<[1.0, 1.0]> : tensor<2xf32>
  %wb = arith.constant {ptq.key = "b.weight"} dense<[[4.0, 0.25], [1.0, -0.125]]> : tensor<2x2xf32>
  %wh = arith.constant {ptq.key = "head.weight"} dense<[[1.0, 0.5], [1.0, -0.5]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %a = ptq.linear %x, %wa bias %ba {layer = "a", statistics = #ptq.statistics<tokens = 3, absmax = dense<[9.0, 8.0]> : tensor<2xf32>, mean_abs = dense<[3.0, 2.0]> : tensor<2xf32>>}
     : (tensor<3x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  %empty = tensor.empty() : tensor<3x2xf32>
  %relu = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<3x2xf32>) outs(%empty : tensor<3x2xf32>) {
  ^bb0(%in: f32, %out: f32):
    %m = arith.maximumf %in, %zero : f32
    linalg.yield %m : f32
  } -> tensor<3x2xf32>
  %b = ptq.linear %relu, %wb {layer = "b", statistics = #ptq.statistics<tokens = 3, absmax = dense<[16.0, 4.0]> : tensor<2xf32>, mean_abs = dense<[8.0, 2.0]> : tensor<2xf32>>}
     : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  %tanh = math.tanh %b : tensor<3x2xf32>
  %h = ptq.linear %tanh, %wh {layer = "head", statistics = #ptq.statistics<tokens = 3, absmax = dense<[1.0, 1.0]> : tensor<2xf32>, mean_abs = dense<[0.5, 0.5]> : tensor<2xf32>>}
     : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %h : tensor<3x2xf32>
}
