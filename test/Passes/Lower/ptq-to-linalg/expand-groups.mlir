// ptq.expand_groups in the reference lowering, run by the stock mlir-runner: rows whose codes do not fill their words,
// and values beyond 8 bits, which wrap.
//
// RUN: quant-opt %s --ptq-to-linalg --convert-elementwise-to-linalg --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-math-to-llvm \
// RUN:   --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm \
// RUN:   --reconcile-unrealized-casts \
// RUN:   | mlir-runner -e main -entry-point-result=void -shared-libs=%runner_utils,%c_runner_utils | FileCheck %s

func.func private @printMemrefI32(tensor<*xi32> {bufferization.access = "read"}) attributes {llvm.emit_c_interface}

// Codes -8 … -1, then 0 … 3, in the first row: (-8 - -1)·3 = -21 and so on in groups of 4; (0 - 7)·16 = -112.
// CHECK: {{\[\[}}-21,   -18,   -15,   -12,   -70,   -56,   -42,   -28,   -112,   -96,   -80,   -64],
// The second row's are 7, 6, …, -4. 15·17 = 255 is -1.
// CHECK-NEXT: {{\[}}-1,   -18,   -35,   -52,   2,   1,   0,   -1,   127,   0,   -127,   2{{\]\]}}
func.func @main() {
  %c = arith.constant dense<[[0x76543210, 0x0000ba98], [0x89abcdef, 0x00004567]]> : tensor<2x2xi32>
  %s = arith.constant dense<[[3, 14, 16], [17, 1, 127]]> : tensor<2x3xi8>
  %z = arith.constant dense<[[-1, 1, 7], [-8, 1, -2]]> : tensor<2x3xi8>
  %w = ptq.expand_groups %c, %s, %z {bits = 4} : (tensor<2x2xi32>, tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x12xi8>
  %i = arith.extsi %w : tensor<2x12xi8> to tensor<2x12xi32>
  %u = tensor.cast %i : tensor<2x12xi32> to tensor<*xi32>
  call @printMemrefI32(%u) : (tensor<*xi32>) -> ()
  return
}
