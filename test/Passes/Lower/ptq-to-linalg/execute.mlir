// The reference lowering, run by the stock mlir-runner: unpacking of every width, groups, zero points, group index,
// and rounding. The expected numbers were worked out by hand from the formulas in docs/Dialect.md.
//
// RUN: quant-opt %s --ptq-to-linalg | mlir-opt --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>) attributes {llvm.emit_c_interface}
func.func private @printMemrefI32(tensor<*xi32>) attributes {llvm.emit_c_interface}

// A layer applied to the identity: the transpose of its weight.
func.func private @identity() -> tensor<16x16xf32> {
  %e = tensor.empty() : tensor<16x16xf32>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %i = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
    outs(%e : tensor<16x16xf32>) {
    ^bb0(%o: f32):
      %r = linalg.index 0 : index
      %c = linalg.index 1 : index
      %d = arith.cmpi eq, %r, %c : index
      %v = arith.select %d, %one, %zero : f32
      linalg.yield %v : f32
  } -> tensor<16x16xf32>
  return %i : tensor<16x16xf32>
}

// CHECK: [1,  -2,  -1,  0,  1,  -2,  -1,  0,  1,  -2,  -1,  0,  1,  -2,  -1,  0]
func.func private @bits_2() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[-1819044973]]> : tensor<1x1xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 2, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x1xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-1,  -4,  1,  -2,  3,  0,  -3,  2,  -1,  -4,  1,  -2,  3,  0,  -3,  2]
func.func private @bits_3() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1137079619, 50805]]> : tensor<1x2xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x2xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-5,  0,  5,  -6,  -1,  4,  -7,  -2,  3,  -8,  -3,  2,  7,  -4,  1,  6]
func.func private @bits_4() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1640443267, -380656373]]> : tensor<1x2xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x2xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-13,  -8,  -3,  2,  7,  12,  -15,  -10,  -5,  0,  5,  10,  15,  -12,  -7,  -2]
func.func private @bits_5() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[2037986563, -44692688, 29257]]> : tensor<1x3xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 5, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x3xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-29,  -24,  -19,  -14,  -9,  -4,  1,  6,  11,  16,  21,  26,  31,  -28,  -23,  -18]
func.func private @bits_6() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[390648323, 1546361367, 949043179]]> : tensor<1x3xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 6, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x3xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-61,  -56,  -51,  -46,  -41,  -36,  -31,  -26,  -21,  -16,  -11,  -6,  -1,  4,  9,  14]
func.func private @bits_7() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1917010947, 726435041, 603409752, 40230]]> : tensor<1x4xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 7, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x4xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [-125,  -120,  -115,  -110,  -105,  -100,  -95,  -90,  -85,  -80,  -75,  -70,  -65,  -60,  -55,  -50]
func.func private @bits_8() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[302843907, 639704087, 976564267, 1313424447]]> : tensor<1x4xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<16x16xf32>, tensor<1x4xi32>, tensor<1x1xf32>) -> tensor<16x1xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<16x1xf32> into tensor<16xf32>
  %u = tensor.cast %r : tensor<16xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[}}[99,   -107]
// CHECK-NEXT: [101.5,   -104]
// CHECK-NEXT: [104,   -101]
// CHECK-NEXT: [98.5,   -98]
// CHECK-NEXT: [101,   -95]
// CHECK-NEXT: [103.5,   -108]
// CHECK-NEXT: [98,   -105]
// CHECK-NEXT: [100.5,   -102]
// CHECK-NEXT: [104,   -101.5]
// CHECK-NEXT: [82,   -100.75]
// CHECK-NEXT: [92,   -100]
// CHECK-NEXT: [102,   -103.25]
// CHECK-NEXT: [112,   -102.5]
// CHECK-NEXT: [90,   -101.75]
// CHECK-NEXT: [100,   -101]
// CHECK-NEXT: [110,   -100.25]
func.func private @groups() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1640443267, -380656373], [1661839169, -343593015]]> : tensor<2x2xi32>
  %s = arith.constant dense<[[0.5, 2.0], [1.0, 0.25]]> : tensor<2x2xf32>
  %z = arith.constant dense<[[-3, 1], [0, 7]]> : tensor<2x2xi8>
  %b = arith.constant dense<[100.0, -100.0]> : tensor<2xf32>
  %y = ptq.weight_only_linear %x, %q, %s zero_points %z bias %b {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(8)>}
     : (tensor<16x16xf32>, tensor<2x2xi32>, tensor<2x2xf32>, tensor<2x2xi8>, tensor<2xf32>) -> tensor<16x2xf32>
  %u = tensor.cast %y : tensor<16x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[}}[99,   -107]
// CHECK-NEXT: [98,   -102.75]
// CHECK-NEXT: [104,   -101]
// CHECK-NEXT: [98.5,   -98]
// CHECK-NEXT: [96,   -100.5]
// CHECK-NEXT: [103.5,   -108]
// CHECK-NEXT: [98,   -105]
// CHECK-NEXT: [94,   -102.25]
// CHECK-NEXT: [103,   -99]
// CHECK-NEXT: [97.5,   -96]
// CHECK-NEXT: [92,   -100]
// CHECK-NEXT: [102.5,   -106]
// CHECK-NEXT: [105,   -103]
// CHECK-NEXT: [90,   -101.75]
// CHECK-NEXT: [102,   -97]
// CHECK-NEXT: [104.5,   -94]
func.func private @group_index() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1640443267, -380656373], [1661839169, -343593015]]> : tensor<2x2xi32>
  %s = arith.constant dense<[[0.5, 2.0], [1.0, 0.25]]> : tensor<2x2xf32>
  %z = arith.constant dense<[[-3, 1], [0, 7]]> : tensor<2x2xi8>
  %b = arith.constant dense<[100.0, -100.0]> : tensor<2xf32>
  %g = arith.constant dense<[0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]> : tensor<16xi32>
  %y = ptq.weight_only_linear %x, %q, %s zero_points %z group_index %g bias %b {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(8)>}
     : (tensor<16x16xf32>, tensor<2x2xi32>, tensor<2x2xf32>, tensor<2x2xi8>, tensor<16xi32>, tensor<2xf32>) -> tensor<16x2xf32>
  %u = tensor.cast %y : tensor<16x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[}}[-2.5,   -3.5]
// CHECK-NEXT: [0,   -2]
// CHECK-NEXT: [2.5,   -0.5]
// CHECK-NEXT: [-3,   1]
// CHECK-NEXT: [-0.5,   2.5]
// CHECK-NEXT: [2,   -4]
// CHECK-NEXT: [-3.5,   -2.5]
// CHECK-NEXT: [-1,   -1]
// CHECK-NEXT: [1.5,   0.5]
// CHECK-NEXT: [-4,   2]
// CHECK-NEXT: [-1.5,   3.5]
// CHECK-NEXT: [1,   -3]
// CHECK-NEXT: [3.5,   -1.5]
// CHECK-NEXT: [-2,   0]
// CHECK-NEXT: [0.5,   1.5]
// CHECK-NEXT: [3,   3]
func.func private @per_tensor() {
  %x = call @identity() : () -> tensor<16x16xf32>
  %q = arith.constant dense<[[1640443267, -380656373], [1661839169, -343593015]]> : tensor<2x2xi32>
  %s = arith.constant dense<0.5> : tensor<1x1xf16>
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_tensor>}
     : (tensor<16x16xf32>, tensor<2x2xi32>, tensor<1x1xf16>) -> tensor<16x2xf32>
  %u = tensor.cast %y : tensor<16x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: [0,   2,   2,   0,   -2,   -2,   7,   -8]
// CHECK-NEXT: [0,   7,   -8,   0,   0,   0,   1,   -1]
// CHECK: [3,   5,   5,   3,   1,   1,   7,   -8]
// CHECK-NEXT: [-2,   7,   -8,   -2,   -2,   -2,   -1,   -3]
func.func private @quantize() {
  %x = arith.constant dense<[[0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1000.0, -1000.0], [0x7FC00000, 0x7F800000, 0xFF800000, 0.0, -0.0, 0.49, 0.51, -0.51]]> : tensor<2x8xf32>
  %s = arith.constant dense<[1.0, 1.0]> : tensor<2xf32>
  %z = arith.constant dense<[3, -2]> : tensor<2xi8>
  %q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>} : (tensor<2x8xf32>, tensor<2xf32>) -> tensor<2x8xi32>
  %u = tensor.cast %q : tensor<2x8xi32> to tensor<*xi32>
  call @printMemrefI32(%u) : (tensor<*xi32>) -> ()
  %p = ptq.quantize %x, %s zero_points %z {scheme = #ptq.scheme<bits = 4, asymmetric, per_token>} : (tensor<2x8xf32>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x8xi32>
  %v = tensor.cast %p : tensor<2x8xi32> to tensor<*xi32>
  call @printMemrefI32(%v) : (tensor<*xi32>) -> ()
  return
}

// CHECK: [0,   3.5,   -14,   0]
// CHECK-NEXT: [1,   2,   -0.25,   0]
func.func private @dequantize() {
  %q = arith.constant dense<[[-8, -1, 0, 7], [1, 2, 3, 4]]> : tensor<2x4xi8>
  %s = arith.constant dense<[[0.5, 2.0], [1.0, 0.25]]> : tensor<2x2xf32>
  %z = arith.constant dense<[[-8, 7], [0, 4]]> : tensor<2x2xi8>
  %x = ptq.dequantize %q, %s zero_points %z {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(2)>} : (tensor<2x4xi8>, tensor<2x2xf32>, tensor<2x2xi8>) -> tensor<2x4xf32>
  %u = tensor.cast %x : tensor<2x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// CHECK: {{\[\[}}[11,    22,    29]
// CHECK-NEXT: [13,    24,    29]
// CHECK-NEXT: {{\[}}[15,    26,    29]
// CHECK-NEXT: [17,    28,    29]
func.func private @linear() {
  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>
  %w = arith.constant dense<[[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]> : tensor<3x2xf32>
  %b = arith.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
  %y = ptq.linear %x, %w bias %b : (tensor<2x2x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<2x2x3xf32>
  %u = tensor.cast %y : tensor<2x2x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
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
  call @groups() : () -> ()
  call @group_index() : () -> ()
  call @per_tensor() : () -> ()
  call @quantize() : () -> ()
  call @dequantize() : () -> ()
  call @linear() : () -> ()
  return
}
