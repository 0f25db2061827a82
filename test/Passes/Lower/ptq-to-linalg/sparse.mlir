// The sparse part of ptq.weight_only_linear, in the reference lowering and as calls of the CPU runtime, run by the stock
// mlir-runner: rows with no value, with some, with one in every column, beside each kind of dense part and in each
// 16-bit type. The expected numbers were worked out by hand.
//
// RUN: quant-opt %s --ptq-to-linalg | mlir-opt --one-shot-bufferize=bufferize-function-boundaries \
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
// CALLS-COUNT-5: call @ptq_rt_weight_only_linear
// CALLS-NOT: ptq.weight_only_linear

func.func private @printMemrefF32(tensor<*xf32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}

func.func private @print(%x: tensor<?x?xf32>) {
  %u = tensor.cast %x : tensor<?x?xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// A layer applied to the identity: the transpose of its weight.
func.func private @identity() -> tensor<8x8xf32> {
  %e = tensor.empty() : tensor<8x8xf32>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %i = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
    outs(%e : tensor<8x8xf32>) {
    ^bb0(%o: f32):
      %r = linalg.index 0 : index
      %c = linalg.index 1 : index
      %d = arith.cmpi eq, %r, %c : index
      %v = arith.select %d, %one, %zero : f32
      linalg.yield %v : f32
  } -> tensor<8x8xf32>
  return %i : tensor<8x8xf32>
}

// Four rows of (-5, 0, 5, -6, -1, 4, -7, -2)·0.5. The second has values in columns 1 and 7, the third in all.
// CHECK: sizes = [8, 4]
// CHECK-NEXT: {{\[\[}}-2.5,   -2.5,   7.5,   -2.5],
// CHECK-NEXT: [0,   100,   20,   0],
// CHECK-NEXT: [2.5,   2.5,   32.5,   2.5],
// CHECK-NEXT: [-3,   -3,   37,   -3],
// CHECK-NEXT: [-0.5,   -0.5,   49.5,   -0.5],
// CHECK-NEXT: [2,   2,   62,   2],
// CHECK-NEXT: [-3.5,   -3.5,   66.5,   -3.5],
// CHECK-NEXT: [-1,   -1.25,   79,   -1]]
func.func private @rows() {
  %x = call @identity() : () -> tensor<8x8xf32>
  %q = arith.constant dense<1640443267> : tensor<4x1xi32>
  %s = arith.constant dense<0.5> : tensor<4x1xf32>
  %o = arith.constant dense<[0, 0, 2, 10, 10]> : tensor<5xi32>
  %c = arith.constant dense<[1, 7, 0, 1, 2, 3, 4, 5, 6, 7]> : tensor<10xi32>
  %v = arith.constant dense<[100.0, -0.25, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]> : tensor<10xf16>
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<8x8xf32>, tensor<4x1xi32>, tensor<4x1xf32>, tensor<5xi32>, tensor<10xi32>, tensor<10xf16>) -> tensor<8x4xf32>
  %d = tensor.cast %y : tensor<8x4xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  return
}

// Columns 0, 2, 4, 6 have (q - 1)·0.5, the others q·2; a value in column 3, and the bias of 1000.
// CHECK: sizes = [8, 1]
// CHECK-NEXT: {{\[\[}}997],
// CHECK-NEXT: [1000],
// CHECK-NEXT: [1002],
// CHECK-NEXT: [991],
// CHECK-NEXT: [999],
// CHECK-NEXT: [1008],
// CHECK-NEXT: [996],
// CHECK-NEXT: [996]]
func.func private @groups() {
  %x = call @identity() : () -> tensor<8x8xf32>
  %q = arith.constant dense<1640443267> : tensor<1x1xi32>
  %s = arith.constant dense<[[0.5, 2.0]]> : tensor<1x2xf32>
  %z = arith.constant dense<[[1, 0]]> : tensor<1x2xi8>
  %g = arith.constant dense<[0, 1, 0, 1, 0, 1, 0, 1]> : tensor<8xi32>
  %o = arith.constant dense<[0, 1]> : tensor<2xi32>
  %c = arith.constant dense<3> : tensor<1xi32>
  %v = arith.constant dense<3.0> : tensor<1xbf16>
  %b = arith.constant dense<1000.0> : tensor<1xf32>
  %y = ptq.weight_only_linear %x, %q, %s zero_points %z group_index %g sparse(%o, %c, %v) bias %b
         {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>}
     : (tensor<8x8xf32>, tensor<1x1xi32>, tensor<1x2xf32>, tensor<1x2xi8>, tensor<8xi32>, tensor<2xi32>, tensor<1xi32>, tensor<1xbf16>, tensor<1xf32>) -> tensor<8x1xf32>
  %d = tensor.cast %y : tensor<8x1xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  return
}

// 2·(q·0.5 + value) in float16 for q = 1 and the value 2 in the second row.
// CHECK: sizes = [1, 2]
// CHECK-NEXT: {{\[\[}}1,   5]]
func.func private @one_column() {
  %x = arith.constant dense<2.0> : tensor<1x1xf16>
  %q = arith.constant dense<129> : tensor<2x1xi32>
  %s = arith.constant dense<0.5> : tensor<1x1xf16>
  %o = arith.constant dense<[0, 0, 1]> : tensor<3xi32>
  %c = arith.constant dense<0> : tensor<1xi32>
  %v = arith.constant dense<2.0> : tensor<1xf16>
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<1x1xf16>, tensor<2x1xi32>, tensor<1x1xf16>, tensor<3xi32>, tensor<1xi32>, tensor<1xf16>) -> tensor<1x2xf16>
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%y : tensor<1x2xf16>) outs(%e : tensor<1x2xf32>) {
    ^bb0(%i: f16, %u: f32):
      %w = arith.extf %i : f16 to f32
      linalg.yield %w : f32
  } -> tensor<1x2xf32>
  %d = tensor.cast %f : tensor<1x2xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  return
}

// No value at all, and a number of columns that is no power of two.
// CHECK: sizes = [1, 1]
// CHECK-NEXT: {{\[\[}}-13]]
// CHECK: sizes = [1, 1]
// CHECK-NEXT: {{\[\[}}3]]
func.func private @five_columns() {
  %x = arith.constant dense<[[1.0, 1.0, 1.0, 2.0, 1.0]]> : tensor<1x5xf32>
  %q = arith.constant dense<1640443267> : tensor<1x1xi32>
  %s = arith.constant dense<1.0> : tensor<1x1xf32>
  %o = arith.constant dense<0> : tensor<2xi32>
  %c = arith.constant dense<> : tensor<0xi32>
  %v = arith.constant dense<> : tensor<0xf16>
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<1x5xf32>, tensor<1x1xi32>, tensor<1x1xf32>, tensor<2xi32>, tensor<0xi32>, tensor<0xf16>) -> tensor<1x1xf32>
  %d = tensor.cast %y : tensor<1x1xf32> to tensor<?x?xf32>
  call @print(%d) : (tensor<?x?xf32>) -> ()
  // Added: 2·6 in column 3 and 4 in column 4.
  %o2 = arith.constant dense<[0, 2]> : tensor<2xi32>
  %c2 = arith.constant dense<[3, 4]> : tensor<2xi32>
  %v2 = arith.constant dense<[6.0, 4.0]> : tensor<2xf32>
  %y2 = ptq.weight_only_linear %x, %q, %s sparse(%o2, %c2, %v2) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<1x5xf32>, tensor<1x1xi32>, tensor<1x1xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xf32>) -> tensor<1x1xf32>
  %d2 = tensor.cast %y2 : tensor<1x1xf32> to tensor<?x?xf32>
  call @print(%d2) : (tensor<?x?xf32>) -> ()
  return
}

func.func @main() {
  call @rows() : () -> ()
  call @groups() : () -> ()
  call @one_column() : () -> ()
  call @five_columns() : () -> ()
  return
}
