// A norm before the quantization of activations is the same kernel's work, if nobody else reads it and it is what the
// kernel computes, to the last bit. (integration.device runs such models.)
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file | FileCheck %s

#point = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0, 0)>
#channel = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: func.func @rms
// CHECK-SAME: (%[[X:.*]]: tensor<?x48xf32>, %[[G:.*]]: tensor<48xf32>)
// CHECK-DAG: %[[XB:.*]] = bufferization.to_buffer %[[X]]
// CHECK-DAG: %[[GB:.*]] = bufferization.to_buffer %[[G]]
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k48_b8_f32_sf32_token_rmsnorm_xf32_gf32_e3727c5ac
// CHECK-SAME: args(%[[XB]] : {{.*}}, %[[GB]] : memref<48xf32>,
func.func @rms(%x: tensor<?x48xf32>, %g: tensor<48xf32>) -> (tensor<?x48xi8>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %two = arith.constant 2 : i64
  %k = arith.constant 48.0 : f32
  %eps = arith.constant 1.0e-5 : f64
  %rows = tensor.dim %x, %c0 : tensor<?x48xf32>
  %e = tensor.empty(%rows) : tensor<?x48xf32>
  %e1 = tensor.empty(%rows) : tensor<?x1xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x1xf32>) -> tensor<?x1xf32>
  %sum = linalg.generic {indexing_maps = [#point, #row], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<?x48xf32>) outs(%fill : tensor<?x1xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = math.fpowi %a, %two : f32, i64
    %n = arith.addf %s, %p : f32
    linalg.yield %n : f32
  } -> tensor<?x1xf32>
  %r = linalg.generic {indexing_maps = [#point, #point], iterator_types = ["parallel", "parallel"]} ins(%sum : tensor<?x1xf32>) outs(%e1 : tensor<?x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %m = arith.divf %a, %k : f32
    %t = arith.truncf %eps : f64 to f32
    %n = arith.addf %m, %t : f32
    %q = math.rsqrt %n : f32
    linalg.yield %q : f32
  } -> tensor<?x1xf32>
  %y = linalg.generic {indexing_maps = [#point, #row, #channel, #point], iterator_types = ["parallel", "parallel"]} ins(%x, %r, %g : tensor<?x48xf32>, tensor<?x1xf32>, tensor<48xf32>) outs(%e : tensor<?x48xf32>) {
  ^bb0(%a: f32, %f: f32, %c: f32, %o: f32):
    %m = arith.mulf %a, %f : f32
    %n = arith.mulf %c, %m : f32
    linalg.yield %n : f32
  } -> tensor<?x48xf32>
  %q, %s = ptq.dynamic_quantize %y {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<?x48xf32>) -> (tensor<?x48xi8>, tensor<?xf32>)
  return %q, %s : tensor<?x48xi8>, tensor<?xf32>
}

// -----

#point = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#channel = affine_map<(d0, d1) -> (d1)>

// Means by a product with 1/64, which is exact; the root and the division apart; rows without a last dimension.
// CHECK-LABEL: func.func @layer
// CHECK: gpu.launch_func @ptq_kernels::@quantize_k64_b8_f16_sf32_layernorm_xf16_gf32_bf32_yf16_e3727c5ac
func.func @layer(%x: tensor<7x64xf16>, %g: tensor<64xf32>, %b: tensor<64xf32>, %scale: tensor<1xf32>) -> tensor<7x64xi8> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %k = arith.constant 0.015625 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e = tensor.empty() : tensor<7x64xf16>
  %e1 = tensor.empty() : tensor<7xf32>
  %w = tensor.empty() : tensor<7x64xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e1 : tensor<7xf32>) -> tensor<7xf32>
  %sum = linalg.generic {indexing_maps = [#point, #row], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<7x64xf16>) outs(%fill : tensor<7xf32>) {
  ^bb0(%a: f16, %s: f32):
    %p = arith.extf %a : f16 to f32
    %n = arith.addf %s, %p : f32
    linalg.yield %n : f32
  } -> tensor<7xf32>
  %z = linalg.generic {indexing_maps = [#point, #row, #point], iterator_types = ["parallel", "parallel"]} ins(%x, %sum : tensor<7x64xf16>, tensor<7xf32>) outs(%w : tensor<7x64xf32>) {
  ^bb0(%a: f16, %s: f32, %o: f32):
    %p = arith.extf %a : f16 to f32
    %m = arith.mulf %s, %k : f32
    %d = arith.subf %p, %m : f32
    linalg.yield %d : f32
  } -> tensor<7x64xf32>
  %squares = linalg.generic {indexing_maps = [#point, #row], iterator_types = ["parallel", "reduction"]} ins(%z : tensor<7x64xf32>) outs(%fill : tensor<7xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %a, %a : f32
    %n = arith.addf %s, %p : f32
    linalg.yield %n : f32
  } -> tensor<7xf32>
  %y = linalg.generic {indexing_maps = [#point, #row, #channel, #channel, #point], iterator_types = ["parallel", "parallel"]} ins(%z, %squares, %g, %b : tensor<7x64xf32>, tensor<7xf32>, tensor<64xf32>, tensor<64xf32>) outs(%e : tensor<7x64xf16>) {
  ^bb0(%a: f32, %s: f32, %c: f32, %d: f32, %o: f16):
    %v = arith.mulf %k, %s : f32
    %t = arith.addf %v, %eps : f32
    %u = math.sqrt %t : f32
    %f = arith.divf %one, %u : f32
    %m = arith.mulf %a, %f : f32
    %n = arith.mulf %m, %c : f32
    %h = arith.addf %n, %d : f32
    %r = arith.truncf %h : f32 to f16
    linalg.yield %r : f16
  } -> tensor<7x64xf16>
  %q = ptq.quantize %y, %scale {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<7x64xf16>, tensor<1xf32>) -> tensor<7x64xi8>
  return %q : tensor<7x64xi8>
}

// -----

#point = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0, 0)>

// Squares of another tensor; x·(r·y), of which the last bit may differ; a norm that is returned too.
// CHECK-LABEL: func.func @declined
// CHECK-NOT: rmsnorm
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k64_b8_f32_sf32_token blocks
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k64_b8_f32_sf32_token blocks
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k64_b8_f32_sf32_token blocks
// CHECK-NOT: rmsnorm
func.func @declined(%x: tensor<7x64xf32>, %other: tensor<7x64xf32>, %g: tensor<7x64xf32>) -> (tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xf32>) {
  %zero = arith.constant 0.0 : f32
  %k = arith.constant 64.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e = tensor.empty() : tensor<7x64xf32>
  %e1 = tensor.empty() : tensor<7x1xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e1 : tensor<7x1xf32>) -> tensor<7x1xf32>
  %sum = linalg.generic {indexing_maps = [#point, #row], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<7x64xf32>) outs(%fill : tensor<7x1xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %a, %a : f32
    %n = arith.addf %s, %p : f32
    linalg.yield %n : f32
  } -> tensor<7x1xf32>
  %r = linalg.generic {indexing_maps = [#point, #point], iterator_types = ["parallel", "parallel"]} ins(%sum : tensor<7x1xf32>) outs(%e1 : tensor<7x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %m = arith.divf %a, %k : f32
    %n = arith.addf %m, %eps : f32
    %q = math.rsqrt %n : f32
    linalg.yield %q : f32
  } -> tensor<7x1xf32>
  %y1 = linalg.generic {indexing_maps = [#point, #row, #point], iterator_types = ["parallel", "parallel"]} ins(%other, %r : tensor<7x64xf32>, tensor<7x1xf32>) outs(%e : tensor<7x64xf32>) {
  ^bb0(%a: f32, %f: f32, %o: f32):
    %m = arith.mulf %a, %f : f32
    linalg.yield %m : f32
  } -> tensor<7x64xf32>
  %y2 = linalg.generic {indexing_maps = [#point, #row, #point, #point], iterator_types = ["parallel", "parallel"]} ins(%x, %r, %g : tensor<7x64xf32>, tensor<7x1xf32>, tensor<7x64xf32>) outs(%e : tensor<7x64xf32>) {
  ^bb0(%a: f32, %f: f32, %c: f32, %o: f32):
    %m = arith.mulf %f, %c : f32
    %n = arith.mulf %a, %m : f32
    linalg.yield %n : f32
  } -> tensor<7x64xf32>
  %y3 = linalg.generic {indexing_maps = [#point, #row, #point], iterator_types = ["parallel", "parallel"]} ins(%x, %r : tensor<7x64xf32>, tensor<7x1xf32>) outs(%e : tensor<7x64xf32>) {
  ^bb0(%a: f32, %f: f32, %o: f32):
    %m = arith.mulf %a, %f : f32
    linalg.yield %m : f32
  } -> tensor<7x64xf32>
  %q1, %s1 = ptq.dynamic_quantize %y1 {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<7x64xf32>) -> (tensor<7x64xi8>, tensor<7xf32>)
  %q2, %s2 = ptq.dynamic_quantize %y2 {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<7x64xf32>) -> (tensor<7x64xi8>, tensor<7xf32>)
  %q3, %s3 = ptq.dynamic_quantize %y3 {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<7x64xf32>) -> (tensor<7x64xi8>, tensor<7xf32>)
  return %q1, %s1, %q2, %s2, %q3, %s3, %y3 : tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xi8>, tensor<7xf32>, tensor<7x64xf32>
}

// -----

#point = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#shared = affine_map<(d0, d1, d2) -> (d1, d2)>
#row = affine_map<(d0, d1, d2) -> (d1, 0)>
#one = affine_map<(d0, d1) -> (d0, d1)>
#onerow = affine_map<(d0, d1) -> (d0, 0)>

// A row of x that is two rows of the result.
// CHECK-LABEL: func.func @broadcast
// CHECK-NOT: rmsnorm
// CHECK: gpu.launch_func @ptq_kernels::@dynamic_quantize_k64_b8_f32_sf32_token blocks
// CHECK-NOT: rmsnorm
func.func @broadcast(%x: tensor<7x64xf32>) -> (tensor<2x7x64xi8>, tensor<2x7xf32>) {
  %zero = arith.constant 0.0 : f32
  %k = arith.constant 64.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %e = tensor.empty() : tensor<2x7x64xf32>
  %e1 = tensor.empty() : tensor<7x1xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e1 : tensor<7x1xf32>) -> tensor<7x1xf32>
  %sum = linalg.generic {indexing_maps = [#one, #onerow], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<7x64xf32>) outs(%fill : tensor<7x1xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %a, %a : f32
    %n = arith.addf %s, %p : f32
    linalg.yield %n : f32
  } -> tensor<7x1xf32>
  %y = linalg.generic {indexing_maps = [#shared, #row, #point], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<7x64xf32>, tensor<7x1xf32>) outs(%e : tensor<2x7x64xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %m = arith.divf %s, %k : f32
    %n = arith.addf %m, %eps : f32
    %r = math.rsqrt %n : f32
    %z = arith.mulf %a, %r : f32
    linalg.yield %z : f32
  } -> tensor<2x7x64xf32>
  %q, %s = ptq.dynamic_quantize %y {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<2x7x64xf32>) -> (tensor<2x7x64xi8>, tensor<2x7xf32>)
  return %q, %s : tensor<2x7x64xi8>, tensor<2x7xf32>
}
