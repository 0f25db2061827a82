// Where a scale goes, and where it is not worth a multiplication at run time.
//
// Channels of very different magnitudes, after a tanh that takes no scale.
//
// RUN: %make_safetensors write %t.x.safetensors x:F32:16x8=-1,0.015625
// RUN: quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=8 explicit-scale=never" 2>&1 >%t.never | FileCheck %s --check-prefix=NEVER
// RUN: FileCheck %s --check-prefix=MARKS < %t.never
// RUN: quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=8 explicit-scale=always" -o %t.mlir 2>&1 | FileCheck %s --check-prefix=ALWAYS
// RUN: quant-run %t.mlir --inputs=%t.x.safetensors --reference=%s --json=%t.json
// RUN: FileCheck %s --check-prefix=SAME < %t.json
// SAME: "relative_max_error": {{(0|[0-9.]+e-0[6-9])[,[:space:]]}}
//
// Marks that are there are taken, and stay but for what an option says.
// RUN: quant-opt %s --calibrate=data=%t.x.safetensors --smoothquant --awq 2>/dev/null | FileCheck %s --check-prefix=W8A8
// RUN: quant-opt %s --calibrate=data=%t.x.safetensors --awq="group-size=-1" --awq="symmetric=false" 2>/dev/null | FileCheck %s --check-prefix=TWICE

// NEVER: awq: layers 'a', 'b': input scale none: explicit-scale=never, and it would be explicit, because
// NEVER: awq: layer 'c': input scale {{folded: rows of a; ratio [01][.][0-9]+; [0-9.]+ % of the output error|none: no scales round better}}
// ALWAYS: awq: layers 'a', 'b': input scale explicit, because {{.*}}; ratio

// MARKS: ptq.linear {{.*}} {clip = dense_resource<a.clip{{.*}}> : tensor<8x1xf32>, layer = "a", ptq.input_scale = "none", ptq.transform = {awq = {loss = {{.*}}, loss_before = {{.*}}, where = "{{.*}}"}}, {{.*}}weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(8)>
// MARKS: layer = "head", ptq.skipped

// W8A8: ptq.linear {{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, clip = {{.*}}layer = "a", {{.*}}ptq.transform = {awq = {{.*}}, smoothquant = {{.*}}weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>

// TWICE: ptq.linear {{.*}}layer = "a", {{.*}}weight_scheme = #ptq.scheme<bits = 4, asymmetric, per_channel>
#map = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<16x8xf32> {ptq.input = "x"}) -> (tensor<16x1xf32>, tensor<16x2xf32>) {
  %wa = arith.constant {ptq.key = "a.weight"} dense<[[0.9, 0.11, -0.3, 0.17, 0.05, 0.21, 0.4, -0.31], [0.31, -0.13, 0.77, 0.23, -0.15, 0.09, 0.3, 0.4], [0.12, 0.52, 0.33, -0.19, 0.28, 0.41, 0.61, 0.07], [-0.9, 0.3, 0.22, 0.13, 0.16, -0.44, 0.23, 0.7], [0.14, 0.91, 0.37, 0.29, -0.36, 0.2, 0.1, 0.01], [0.6, 0.8, -0.12, 0.35, 0.51, -0.33, 0.77, 0.93], [0.18, -0.2, 0.5, 0.34, 0.53, 0.62, -0.81, 0.44], [-0.25, 0.45, 0.66, -0.72, 0.02, 0.39, 0.58, 0.47]]> : tensor<8x8xf32>
  %wb = arith.constant {ptq.key = "b.weight"} dense<[[0.3, -0.7, 0.2, 0.1, 0.6, 0.45, -0.15, 0.25], [0.5, 0.05, -0.35, 0.8, 0.12, -0.22, 0.31, 0.64]]> : tensor<2x8xf32>
  %wc = arith.constant {ptq.key = "c.weight"} dense<[[0.13, -0.57, 0.29, 0.31, 0.86, -0.45, 0.15, 0.05], [-0.51, 0.25, 0.3, -0.18, 0.42, 0.92, 0.61, 0.34]]> : tensor<2x8xf32>
  %wh = arith.constant {ptq.key = "head.weight"} dense<[[1.0, 0.5]]> : tensor<1x2xf32>
  %zero = arith.constant 0.0 : f32
  %magnitude = arith.constant dense<[8.0, 4.0, 1.0, 0.5, 0.1, 0.05, 0.01, 0.005]> : tensor<8xf32>
  %e = tensor.empty() : tensor<16x8xf32>
  %y = linalg.generic {indexing_maps = [#map, affine_map<(d0, d1) -> (d1)>, #map], iterator_types = ["parallel", "parallel"]} ins(%x, %magnitude : tensor<16x8xf32>, tensor<8xf32>) outs(%e : tensor<16x8xf32>) {
  ^bb0(%in: f32, %m: f32, %out: f32):
    %p = arith.mulf %in, %m : f32
    %q = math.tanh %p : f32
    linalg.yield %q : f32
  } -> tensor<16x8xf32>
  %a = ptq.linear %y, %wa {layer = "a"} : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  %b = ptq.linear %y, %wb {layer = "b"} : (tensor<16x8xf32>, tensor<2x8xf32>) -> tensor<16x2xf32>
  %empty = tensor.empty() : tensor<16x8xf32>
  %relu = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<16x8xf32>) outs(%empty : tensor<16x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %m = arith.maximumf %in, %zero : f32
    linalg.yield %m : f32
  } -> tensor<16x8xf32>
  %c = ptq.linear %relu, %wc {layer = "c"} : (tensor<16x8xf32>, tensor<2x8xf32>) -> tensor<16x2xf32>
  %tanh = math.tanh %c : tensor<16x2xf32>
  %h = ptq.linear %tanh, %wh {layer = "head"} : (tensor<16x2xf32>, tensor<1x2xf32>) -> tensor<16x1xf32>
  %t = math.tanh %b : tensor<16x2xf32>
  return %h, %t : tensor<16x1xf32>, tensor<16x2xf32>
}
