// A model on the emulated GPU: kernels of quantized layers and of everything else, compared with the executor.

// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/x.safetensors x:F32:3x5x32
// RUN: quant-opt %s --rtn="bits=8 group-size=-1 activations=per-token" -o %t/w8.mlir
// RUN: quant-run %t/w8.mlir --inputs=%t/x.safetensors --device=emulator --reference=%t/w8.mlir --json=%t/w8.json | FileCheck %s
// RUN: %python -c "import json,sys; r = json.load(open(sys.argv[1]))['outputs']['output']; sys.exit(not r['relative_max_error'] < 1e-5)" %t/w8.json
// RUN: quant-opt %s --rtn="bits=4 group-size=16" -o %t/w4.mlir
// RUN: quant-run %t/w4.mlir --inputs=%t/x.safetensors --device=emulator --chip=sm_90a --reference=%t/w4.mlir --json=%t/w4.json 2>&1 | FileCheck %s
// RUN: %python -c "import json,sys; r = json.load(open(sys.argv[1]))['outputs']['output']; sys.exit(not r['relative_max_error'] < 2e-3)" %t/w4.json
// RUN: quant-opt %s --ptq-module-to-gpu | FileCheck %s --check-prefix=LOWERED
// RUN: not quant-run %s --inputs=%t/x.safetensors --device=emulator --chip=sm_1 2>&1 | FileCheck %s --check-prefix=CHIP

// CHECK: 3 samples in {{.*}} s: {{[0-9]+}} launches, {{[0-9]+}} warp instructions
// LOWERED: func.func @main({{.*}}memref<5x32xf32>{{.*}} -> memref<5x1xf32>
// LOWERED-NOT: linalg
// LOWERED: gpu.launch_func @module_kernels
// LOWERED: gpu.binary @module_kernels
// CHIP: error: --ptq-module-to-gpu knows no chip 'sm_1'

#same = affine_map<(d0, d1) -> (d0, d1)>
#lhs = affine_map<(m, n, k) -> (m, k)>
#rhs = affine_map<(m, n, k) -> (n, k)>
#out = affine_map<(m, n, k) -> (m, n)>
#row = affine_map<(d0, d1) -> (d0, 0)>
func.func @main(%x: tensor<5x32xf32> {ptq.input = "x"}) -> tensor<5x1xf32> {
  %zero = arith.constant 0.0 : f32
  %two = arith.constant 2 : i64
  %f0 = tensor.empty() : tensor<16x32xf32>
  %filled = linalg.generic {indexing_maps = [#same], iterator_types = ["parallel", "parallel"]} outs(%f0 : tensor<16x32xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %p = arith.muli %i, %j : index
    %n = arith.index_cast %p : index to i32
    %f = arith.sitofp %n : i32 to f32
    %s = math.sin %f : f32
    linalg.yield %s : f32
  } -> tensor<16x32xf32>
  %c = arith.constant dense<0.001> : tensor<16x32xf32>
  %y = ptq.linear %x, %c {layer = "fc"} : (tensor<5x32xf32>, tensor<16x32xf32>) -> tensor<5x16xf32>
  %e = tensor.empty() : tensor<5x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x16xf32>) -> tensor<5x16xf32>
  %m = linalg.matmul indexing_maps = [#lhs, #rhs, #out] ins(%x, %filled : tensor<5x32xf32>, tensor<16x32xf32>) outs(%z : tensor<5x16xf32>) -> tensor<5x16xf32>
  %a = linalg.generic {indexing_maps = [#same, #same, #same], iterator_types = ["parallel", "parallel"]} ins(%y, %m : tensor<5x16xf32>, tensor<5x16xf32>) outs(%e : tensor<5x16xf32>) {
  ^bb0(%p: f32, %q: f32, %out: f32):
    %square = math.fpowi %q, %two : f32, i64
    %exp = math.tanh %p : f32
    %sum = arith.addf %square, %exp : f32
    linalg.yield %sum : f32
  } -> tensor<5x16xf32>
  %e1 = tensor.empty() : tensor<5x1xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<5x1xf32>) -> tensor<5x1xf32>
  %r = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<5x16xf32>) outs(%z1 : tensor<5x1xf32>) {
  ^bb0(%p: f32, %out: f32):
    %sum = arith.addf %p, %out : f32
    linalg.yield %sum : f32
  } -> tensor<5x1xf32>
  return %r : tensor<5x1xf32>
}
