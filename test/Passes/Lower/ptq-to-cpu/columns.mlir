// Operations on columns and layers with outliers, in the reference lowering and for the CPU, bufferized and lowered by
// upstream's passes and run by the stock mlir-runner: both print the numbers worked out by hand.
//
// RUN: quant-opt %s --ptq-to-linalg --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils | FileCheck %s
// RUN: quant-opt %s --ptq-to-cpu --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils,%ptq_runtime | FileCheck %s

#token = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>
#channel = #ptq.scheme<bits = 8, symmetric, per_channel>
func.func private @printMemrefF32(tensor<*xf32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}
func.func private @printMemrefI32(tensor<*xi32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}

func.func private @print(%x: tensor<?x?xf32>) {
  %u = tensor.cast %x : tensor<?x?xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

func.func private @print_columns(%c: tensor<?xi32>) {
  %u = tensor.cast %c : tensor<?xi32> to tensor<*xi32>
  call @printMemrefI32(%u) : (tensor<*xi32>) -> ()
  return
}

// Finds the columns of x beyond 6 and takes x apart.
func.func private @take_apart(%x: tensor<?x?xf32>) {
  %c = ptq.outlier_columns %x {threshold = 6.0 : f64} : tensor<?x?xf32> -> tensor<?xi32>
  call @print_columns(%c) : (tensor<?xi32>) -> ()
  %0 = ptq.select_columns %x, %c : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  call @print(%0) : (tensor<?x?xf32>) -> ()
  %1 = ptq.drop_columns %x, %c : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  call @print(%1) : (tensor<?x?xf32>) -> ()
  %2 = ptq.clear_columns %x, %c : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  call @print(%2) : (tensor<?x?xf32>) -> ()
  return
}

// -6 is beyond 6, as a NaN is.
// CHECK: sizes = [2]
// CHECK-NEXT: [1,  3]
// CHECK: sizes = [2, 2]
// CHECK-NEXT: {{\[}}[-6,   2],
// CHECK-NEXT: [5,   {{-?}}nan]]
// CHECK: sizes = [2, 2]
// CHECK-NEXT: {{\[}}[1,   0.5],
// CHECK-NEXT: [-2,   0]]
// CHECK: sizes = [2, 4]
// CHECK-NEXT: {{\[}}[1,   0,   0.5,   0],
// CHECK-NEXT: [-2,   0,   0,   0]]
func.func private @some() {
  %x = arith.constant dense<[[1.0, -6.0, 0.5, 2.0], [-2.0, 5.0, 0.0, 0x7FC00000]]> : tensor<2x4xf32>
  %d = tensor.cast %x : tensor<2x4xf32> to tensor<?x?xf32>
  call @take_apart(%d) : (tensor<?x?xf32>) -> ()
  return
}

// CHECK: sizes = [0]
// CHECK: sizes = [1, 0]
// CHECK: sizes = [1, 3]
// CHECK-NEXT: {{\[}}[1,   -5.999,   0]]
// CHECK: sizes = [1, 3]
// CHECK-NEXT: {{\[}}[1,   -5.999,   0]]
func.func private @none() {
  %x = arith.constant dense<[[1.0, -5.999, 0.0]]> : tensor<1x3xf32>
  %d = tensor.cast %x : tensor<1x3xf32> to tensor<?x?xf32>
  call @take_apart(%d) : (tensor<?x?xf32>) -> ()
  return
}

// CHECK: sizes = [2]
// CHECK-NEXT: [0,  1]
// CHECK: sizes = [2, 2]
// CHECK-NEXT: {{\[}}[1,   -7],
// CHECK-NEXT: [9,   0]]
// CHECK: sizes = [2, 0]
// CHECK: sizes = [2, 2]
// CHECK-NEXT: {{\[}}[0,   0],
// CHECK-NEXT: [0,   0]]
func.func private @all() {
  %x = arith.constant dense<[[1.0, -7.0], [9.0, 0.0]]> : tensor<2x2xf32>
  %d = tensor.cast %x : tensor<2x2xf32> to tensor<?x?xf32>
  call @take_apart(%d) : (tensor<?x?xf32>) -> ()
  return
}

// Thresholds at the ends: beyond infinity are infinities only, and 0.7 in float32 is less than 0.7.
// CHECK: sizes = [1] {{.*}}data =
// CHECK-NEXT: [1]
// CHECK: sizes = [1] {{.*}}data =
// CHECK-NEXT: [2]
func.func private @thresholds() {
  %x = arith.constant dense<[3.0e38, 0xFF800000, -1.0]> : tensor<3xf32>
  %c = ptq.outlier_columns %x {threshold = 0x7FF0000000000000 : f64} : tensor<3xf32> -> tensor<?xi32>
  call @print_columns(%c) : (tensor<?xi32>) -> ()
  %y = arith.constant dense<[0.7, -0.7, -0.70000005]> : tensor<3xf32>
  %d = ptq.outlier_columns %y {threshold = 0.7 : f64} : tensor<3xf32> -> tensor<1xi32>
  %e = tensor.cast %d : tensor<1xi32> to tensor<?xi32>
  call @print_columns(%e) : (tensor<?xi32>) -> ()
  return
}

// Tokens (127, -64, 0) and (-254, 127, 2) are (127, -64, 0)·1 and (-127, 64, 1)·2, 63.5 rounding to even. Against
// (1, 2, 3)·0.5 they are -0.5 and 4; 1000·0.25 and -8·0.25 and the bias make 249.625 and 2.125.
// CHECK: sizes = [2, 1]
// CHECK-NEXT: {{\[}}[249.625],
// CHECK-NEXT: [2.125]]
func.func private @static(%x: tensor<2x4xf32>) {
  %c = arith.constant dense<1> : tensor<1xi32>
  %xo = ptq.select_columns %x, %c : (tensor<2x4xf32>, tensor<1xi32>) -> tensor<2x1xf32>
  %xi = ptq.drop_columns %x, %c : (tensor<2x4xf32>, tensor<1xi32>) -> tensor<2x3xf32>
  %q, %s = ptq.dynamic_quantize %xi {scheme = #token} : (tensor<2x3xf32>) -> (tensor<2x3xi8>, tensor<2xf32>)
  %w = arith.constant dense<[[1, 2, 3]]> : tensor<1x3xi8>
  %ws = arith.constant dense<0.5> : tensor<1x1xf32>
  %wo = arith.constant dense<0.25> : tensor<1x1xf16>
  %b = arith.constant dense<0.125> : tensor<1xf32>
  %y = ptq.integer_linear %q, %s, %w, %ws outliers %xo, %wo bias %b {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<2x3xi8>, tensor<2xf32>, tensor<1x3xi8>, tensor<1x1xf32>, tensor<2x1xf32>, tensor<1x1xf16>, tensor<1xf32>) -> tensor<2x1xf32>
  %d = tensor.cast %y : tensor<2x1xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  return
}

// The same with the column found; its integer weight, 99, meets zeros. Then (127, -64, 0, 1), where there is none:
// (127 - 64·99 + 3)·0.5 + 0.125.
// CHECK: sizes = [2, 1]
// CHECK-NEXT: {{\[}}[249.625],
// CHECK-NEXT: [2.125]]
// CHECK: sizes = [1, 1]
// CHECK-NEXT: {{\[}}[-3102.88]]
func.func private @dynamic(%x: tensor<?x4xf32>) {
  %c = ptq.outlier_columns %x {threshold = 500.0 : f64} : tensor<?x4xf32> -> tensor<?xi32>
  %xo = ptq.select_columns %x, %c : (tensor<?x4xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  %xi = ptq.clear_columns %x, %c : (tensor<?x4xf32>, tensor<?xi32>) -> tensor<?x4xf32>
  %q, %s = ptq.dynamic_quantize %xi {scheme = #token} : (tensor<?x4xf32>) -> (tensor<?x4xi8>, tensor<?xf32>)
  %w = arith.constant dense<[[1, 99, 2, 3]]> : tensor<1x4xi8>
  %ws = arith.constant dense<0.5> : tensor<1x1xf32>
  %wf = arith.constant dense<[[7.0, 0.25, -3.0, 5.0]]> : tensor<1x4xf32>
  %wo = ptq.select_columns %wf, %c : (tensor<1x4xf32>, tensor<?xi32>) -> tensor<1x?xf32>
  %b = arith.constant dense<0.125> : tensor<1xf32>
  %y = ptq.integer_linear %q, %s, %w, %ws outliers %xo, %wo bias %b {activation_scheme = #token, weight_scheme = #channel}
     : (tensor<?x4xi8>, tensor<?xf32>, tensor<1x4xi8>, tensor<1x1xf32>, tensor<?x?xf32>, tensor<1x?xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  %d = tensor.cast %y : tensor<?x1xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  return
}

func.func @main() {
  call @some() : () -> ()
  call @none() : () -> ()
  call @all() : () -> ()
  call @thresholds() : () -> ()
  %x = arith.constant dense<[[127.0, 1000.0, -64.0, 0.0], [-254.0, -8.0, 127.0, 2.0]]> : tensor<2x4xf32>
  call @static(%x) : (tensor<2x4xf32>) -> ()
  %d = tensor.cast %x : tensor<2x4xf32> to tensor<?x4xf32>
  call @dynamic(%d) : (tensor<?x4xf32>) -> ()
  %y = arith.constant dense<[[127.0, -64.0, 0.0, 1.0]]> : tensor<1x4xf32>
  %e = tensor.cast %y : tensor<1x4xf32> to tensor<?x4xf32>
  call @dynamic(%e) : (tensor<?x4xf32>) -> ()
  return
}
