// ptq.lookup_dequantize of every width, in the reference lowering and as calls of the CPU runtime, run by the stock
// mlir-runner: rows whose codes do not fill their words, a last group that is shorter, an offset; then element types and
// a group wider than the row. The expected numbers were worked out from the definition by a program of its own.
//
// RUN: quant-opt %s --ptq-to-linalg --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils | FileCheck %s
// RUN: quant-opt %s --ptq-to-cpu -o %t.cpu.mlir
// RUN: FileCheck %s --check-prefix=CALLS --input-file=%t.cpu.mlir
// RUN: quant-opt %t.cpu.mlir --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils,%ptq_runtime \
// RUN:   | FileCheck %s
//
// The runtime computes in float32; what is in float64 takes the other way.
// CALLS-COUNT-8: call @ptq_rt_lookup_dequantize
// CALLS-NOT: call @ptq_rt_lookup_dequantize

func.func private @printMemrefF32(tensor<*xf32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}
func.func private @printMemrefF64(tensor<*xf64> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}

// CHECK: {{\[\[}}-1.25,  -1.25,  -1,  -1.125,  -1.375,  -4.375,  -5.875,  -4.375,  -5.375,  -4.875,  3.125,  2.625,  2.375],
// CHECK-NEXT: {{\[}}-2.875,  -2.125,  -2.875,  -2.375,  -2.625,  -11.875,  -9.875,  -11.875,  -8.875,  -11.875,  -0.5,  -0.625,  -0.625{{\]\]}}
func.func private @bits_2() {
  %c = arith.constant dense<[[14553546], [24409809]]> : tensor<2x1xi32>
  %t = arith.constant dense<[-2.25, -3.0, -2.75, -2.5]> : tensor<4xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 2, group_size = 5}
     : (tensor<2x1xi32>, tensor<4xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}-1,  -1,  -1.125,  -1.125,  -0.75,  -3.375,  -2.375,  -3.875,  -4.875,  -4.875,  1.875,  2.625,  2.875],
// CHECK-NEXT: {{\[}}-1.125,  -2.125,  -1.875,  -2.625,  -1.625,  -6.875,  -4.875,  -11.875,  -7.875,  -4.875,  -0.4375,  -0.375,  -0.625{{\]\]}}
func.func private @bits_3() {
  %c = arith.constant dense<[[-1682889024, 102], [623979844, 26]]> : tensor<2x2xi32>
  %t = arith.constant dense<[-2.25, -3.0, -1.75, -2.5, -1.25, -2.0, -2.75, -1.5]> : tensor<8xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 3, group_size = 5}
     : (tensor<2x2xi32>, tensor<8xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}-0.375,  -1.125,  -0.375,  -0.625,  0.25,  -3.875,  -2.875,  -2.875,  -3.875,  -5.875,  2.375,  0.375,  2.625],
// CHECK-NEXT: {{\[}}-1.125,  -0.125,  0.125,  -2.375,  -1.125,  -0.875,  -10.875,  -11.875,  -7.875,  -2.875,  0,  0.25,  -0.5625{{\]\]}}
func.func private @bits_4() {
  %c = arith.constant dense<[[-10815047, 722965], [504151308, 947045]]> : tensor<2x2xi32>
  %t = arith.constant dense<[-0.25, -3.0, -1.75, -0.5, 0.75, -2.0, -0.75, 0.5, -2.25, -1.0, 0.25, -2.5, -1.25, 0.0, -2.75, -1.5]> : tensor<16xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 4, group_size = 5}
     : (tensor<2x2xi32>, tensor<16xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}1.75,  1.75,  2,  2.125,  -0.25,  9.125,  -3.375,  4.625,  3.125,  -3.875,  0.125,  -1.875,  -4.375],
// CHECK-NEXT: {{\[}}3.125,  2.125,  -2.875,  -1.875,  -0.375,  3.125,  -1.875,  -9.875,  -7.875,  12.125,  0,  -0.5625,  1.1875{{\]\]}}
func.func private @bits_5() {
  %c = arith.constant dense<[[-1368472874, 2058664724, 1], [-382548311, -1353898660, 0]]> : tensor<2x3xi32>
  %t = arith.constant dense<[-0.25, 1.0, 2.25, 3.5, 4.75, -2.0, -0.75, 0.5, 1.75, 3.0, 4.25, -2.5, -1.25, 0.0, 1.25, 2.5, 3.75, -3.0, -1.75, -0.5, 0.75, 2.0, 3.25, 4.5, -2.25, -1.0, 0.25, 1.5, 2.75, 4.0, -2.75, -1.5]> : tensor<32xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 5, group_size = 5}
     : (tensor<2x3xi32>, tensor<32xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}3.75,  6.25,  3.875,  2.5,  2.75,  13.625,  15.625,  16.625,  20.125,  12.625,  -0.375,  -4.625,  -6.375],
// CHECK-NEXT: {{\[}}4.375,  0.375,  3.875,  3.875,  0.875,  32.125,  8.125,  50.125,  10.125,  -1.875,  0.25,  2.625,  1.625{{\]\]}}
func.func private @bits_6() {
  %c = arith.constant dense<[[504574598, 1958078987, 16144], [1950418602, 1961876819, 9684]]> : tensor<2x3xi32>
  %t = arith.constant dense<[-0.25, 9.0, 2.25, 11.5, 4.75, -2.0, 7.25, 0.5, 9.75, 3.0, 12.25, 5.5, -1.25, 8.0, 1.25, 10.5, 3.75, -3.0, 6.25, -0.5, 8.75, 2.0, 11.25, 4.5, -2.25, 7.0, 0.25, 9.5, 2.75, 12.0, 5.25, -1.5, 7.75, 1.0, 10.25, 3.5, 12.75, 6.0, -0.75, 8.5, 1.75, 11.0, 4.25, -2.5, 6.75, 0.0, 9.25, 2.5, 11.75, 5.0, -1.75, 7.5, 0.75, 10.0, 3.25, 12.5, 5.75, -1.0, 8.25, 1.5, 10.75, 4.0, -2.75, 6.5]> : tensor<64xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 6, group_size = 5}
     : (tensor<2x3xi32>, tensor<64xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}6.5,  8.5,  6.875,  8.5,  13.5,  26.125,  16.625,  14.625,  24.625,  43.625,  -24.375,  -21.875,  -2.625],
// CHECK-NEXT: {{\[}}23.875,  0.125,  22.625,  27.375,  9.375,  45.125,  16.125,  -7.875,  75.125,  79.125,  2.5,  2.5625,  4.4375{{\]\]}}
func.func private @bits_7() {
  %c = arith.constant dense<[[-829752796, 1250814607, 29669884], [-354429216, 1552676018, 81860296]]> : tensor<2x3xi32>
  %t = arith.constant dense<[-0.25, 9.0, 18.25, 27.5, 4.75, 14.0, 23.25, 0.5, 9.75, 19.0, 28.25, 5.5, 14.75, 24.0, 1.25, 10.5, 19.75, -3.0, 6.25, 15.5, 24.75, 2.0, 11.25, 20.5, -2.25, 7.0, 16.25, 25.5, 2.75, 12.0, 21.25, -1.5, 7.75, 17.0, 26.25, 3.5, 12.75, 22.0, -0.75, 8.5, 17.75, 27.0, 4.25, 13.5, 22.75, 0.0, 9.25, 18.5, 27.75, 5.0, 14.25, 23.5, 0.75, 10.0, 19.25, 28.5, 5.75, 15.0, 24.25, 1.5, 10.75, 20.0, -2.75, 6.5, 15.75, 25.0, 2.25, 11.5, 20.75, -2.0, 7.25, 16.5, 25.75, 3.0, 12.25, 21.5, -1.25, 8.0, 17.25, 26.5, 3.75, 13.0, 22.25, -0.5, 8.75, 18.0, 27.25, 4.5, 13.75, 23.0, 0.25, 9.5, 18.75, 28.0, 5.25, 14.5, 23.75, 1.0, 10.25, 19.5, 28.75, 6.0, 15.25, 24.5, 1.75, 11.0, 20.25, -2.5, 6.75, 16.0, 25.25, 2.5, 11.75, 21.0, -1.75, 7.5, 16.75, 26.0, 3.25, 12.5, 21.75, -1.0, 8.25, 17.5, 26.75, 4.0, 13.25, 22.5]> : tensor<128xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 7, group_size = 5}
     : (tensor<2x3xi32>, tensor<128xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}28.25,  21.375,  27,  16.375,  21.75,  18.625,  19.125,  92.125,  -3.375,  63.625,  0.875,  -14.625,  -15.875],
// CHECK-NEXT: {{\[}}15.625,  19.375,  46.375,  14.875,  27.875,  52.125,  222.125,  183.125,  61.125,  225.125,  11.5,  6.5625,  4.625{{\]\]}}
func.func private @bits_8() {
  %c = arith.constant dense<[[-2013753414, 89894550, -1935245070, 237], [-1934444909, 1488179632, 1219214054, 85]]> : tensor<2x4xi32>
  %t = arith.constant dense<[-0.25, 9.0, 18.25, 27.5, 36.75, 46.0, 55.25, 0.5, 9.75, 19.0, 28.25, 37.5, 46.75, 56.0, 1.25, 10.5, 19.75, 29.0, 38.25, 47.5, 56.75, 2.0, 11.25, 20.5, 29.75, 39.0, 48.25, 57.5, 2.75, 12.0, 21.25, 30.5, 39.75, 49.0, 58.25, 3.5, 12.75, 22.0, 31.25, 40.5, 49.75, 59.0, 4.25, 13.5, 22.75, 32.0, 41.25, 50.5, 59.75, 5.0, 14.25, 23.5, 32.75, 42.0, 51.25, 60.5, 5.75, 15.0, 24.25, 33.5, 42.75, 52.0, -2.75, 6.5, 15.75, 25.0, 34.25, 43.5, 52.75, -2.0, 7.25, 16.5, 25.75, 35.0, 44.25, 53.5, -1.25, 8.0, 17.25, 26.5, 35.75, 45.0, 54.25, -0.5, 8.75, 18.0, 27.25, 36.5, 45.75, 55.0, 0.25, 9.5, 18.75, 28.0, 37.25, 46.5, 55.75, 1.0, 10.25, 19.5, 28.75, 38.0, 47.25, 56.5, 1.75, 11.0, 20.25, 29.5, 38.75, 48.0, 57.25, 2.5, 11.75, 21.0, 30.25, 39.5, 48.75, 58.0, 3.25, 12.5, 21.75, 31.0, 40.25, 49.5, 58.75, 4.0, 13.25, 22.5, 31.75, 41.0, 50.25, 59.5, 4.75, 14.0, 23.25, 32.5, 41.75, 51.0, 60.25, 5.5, 14.75, 24.0, 33.25, 42.5, 51.75, -3.0, 6.25, 15.5, 24.75, 34.0, 43.25, 52.5, -2.25, 7.0, 16.25, 25.5, 34.75, 44.0, 53.25, -1.5, 7.75, 17.0, 26.25, 35.5, 44.75, 54.0, -0.75, 8.5, 17.75, 27.0, 36.25, 45.5, 54.75, 0.0, 9.25, 18.5, 27.75, 37.0, 46.25, 55.5, 0.75, 10.0, 19.25, 28.5, 37.75, 47.0, 56.25, 1.5, 10.75, 20.0, 29.25, 38.5, 47.75, 57.0, 2.25, 11.5, 20.75, 30.0, 39.25, 48.5, 57.75, 3.0, 12.25, 21.5, 30.75, 40.0, 49.25, 58.5, 3.75, 13.0, 22.25, 31.5, 40.75, 50.0, 59.25, 4.5, 13.75, 23.0, 32.25, 41.5, 50.75, 60.0, 5.25, 14.5, 23.75, 33.0, 42.25, 51.5, 60.75, 6.0, 15.25, 24.5, 33.75, 43.0, 52.25, -2.5, 6.75, 16.0, 25.25, 34.5, 43.75, 53.0, -1.75, 7.5, 16.75, 26.0, 35.25, 44.5, 53.75, -1.0, 8.25, 17.5, 26.75, 36.0, 45.25, 54.5]> : tensor<256xf32>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [1.0, 4.0, 0.25]]> : tensor<2x3xf32>
  %o = arith.constant dense<0.125> : tensor<1xf32>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 8, group_size = 5}
     : (tensor<2x4xi32>, tensor<256xf32>, tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x13xf32>
  %u = tensor.cast %w : tensor<2x13xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// 3 times what 0.1 is in float16 is 1228.5 / 4096 in float32, half way between two float16: the even one is taken.
// CHECK: {{\[\[}}-0.0999756,  0.299805{{\]\]}}
func.func private @f16() {
  %c = arith.constant dense<4> : tensor<1x1xi32>
  %t = arith.constant dense<[-1.0, 3.0, 0.0, 1.0]> : tensor<4xf16>
  %s = arith.constant dense<0.1> : tensor<1x1xf16>
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 2, group_size = 64}
     : (tensor<1x1xi32>, tensor<4xf16>, tensor<1x1xf16>) -> tensor<1x2xf16>
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%w : tensor<1x2xf16>) outs(%e : tensor<1x2xf32>) {
    ^bb0(%i: f16, %o: f32):
      %v = arith.extf %i : f16 to f32
      linalg.yield %v : f32
  } -> tensor<1x2xf32>
  %u = tensor.cast %f : tensor<1x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// 1 + 2^-40, which a float32 cannot hold, less 1 is 2^-40.
// CHECK: {{\[\[}}9.09495e-13,  0{{\]\]}}
func.func private @f64() {
  %c = arith.constant dense<4> : tensor<1x1xi32>
  %t = arith.constant dense<[1.00000000000090949470177292824, 1.0, 0.0, 0.0]> : tensor<4xf64>
  %s = arith.constant dense<1.0> : tensor<1x1xf64>
  %o = arith.constant dense<-1.0> : tensor<1xf64>
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 2, group_size = 2}
     : (tensor<1x1xi32>, tensor<4xf64>, tensor<1x1xf64>, tensor<1xf64>) -> tensor<1x2xf64>
  %u = tensor.cast %w : tensor<1x2xf64> to tensor<*xf64>
  call @printMemrefF64(%u) : (tensor<*xf64>) -> ()
  return
}

func.func @main() {
  call @bits_2() : () -> ()
  call @bits_3() : () -> ()
  call @bits_4() : () -> ()
  call @bits_5() : () -> ()
  call @bits_6() : () -> ()
  call @bits_7() : () -> ()
  call @bits_8() : () -> ()
  call @f16() : () -> ()
  call @f64() : () -> ()
  return
}
