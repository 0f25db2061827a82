// Which layers are rounded: not heads, unless named; only and skip.
//
// RUN: quant-opt %s --rtn="bits=8 group-size=4" | FileCheck %s --check-prefix=DEFAULT
// RUN: quant-opt %s --rtn="bits=8 group-size=4 only=head" | FileCheck %s --check-prefix=ONLY
// RUN: quant-opt %s --rtn="bits=8 group-size=4 skip=first" | FileCheck %s --check-prefix=SKIP

// DEFAULT: ptq.weight_only_linear {{.*}}layer = "first"
// DEFAULT: ptq.linear {{.*}}layer = "head", ptq.skipped = "it is a head: its value is returned as it is"

// ONLY: ptq.linear {{.*}}layer = "first", ptq.skipped = "its name does not match only='head'"
// ONLY: ptq.weight_only_linear {{.*}}layer = "head"

// SKIP: ptq.linear {{.*}}layer = "first", ptq.skipped = "its name matches skip='first'"
// SKIP: ptq.linear {{.*}}layer = "head"
func.func @main(%x: tensor<1x3x4xf32> {ptq.input = "x"}) -> tensor<3x2xf16> {
  %w = arith.constant {ptq.key = "first.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]]> : tensor<4x4xf32>
  %v = arith.constant {ptq.key = "head.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]> : tensor<2x4xf32>
  %0 = ptq.linear %x, %w {layer = "first"} : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %1 = math.tanh %0 : tensor<1x3x4xf32>
  %2 = ptq.linear %1, %v {layer = "head"} : (tensor<1x3x4xf32>, tensor<2x4xf32>) -> tensor<1x3x2xf32>
  %3 = tensor.collapse_shape %2 [[0, 1], [2]] : tensor<1x3x2xf32> into tensor<3x2xf32>
  %4 = arith.truncf %3 : tensor<3x2xf32> to tensor<3x2xf16>
  return %4 : tensor<3x2xf16>
}
