// Options and weights that cannot be rounded: one message that names the layer and the remedy.
//
// RUN: not quant-opt %s --rtn="group-size=7" -o %t 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %s --rtn="bits=9 group-size=4" -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not quant-opt %s --rtn="group-size=4 only=nothing" -o %t 2>&1 | FileCheck %s --check-prefix=NOMATCH
// RUN: not quant-opt %s --rtn="group-size=4 skip=[" -o %t 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not quant-opt %s --rtn="granularity=row" -o %t 2>&1 | FileCheck %s --check-prefix=GRANULARITY
// RUN: not quant-opt %s --rtn="group-size=4 only=nan" -o %t 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not quant-opt %s --rtn="group-size=4 only=unbound" -o %t 2>&1 | FileCheck %s --check-prefix=UNBOUND
// RUN: not quant-opt %s --rtn="group-size=4 only=elided" -o %t 2>&1 | FileCheck %s --check-prefix=ELIDED

// GROUP: error: rtn: layer 'good': group size 7 does not divide the width 8 of the weight; sizes that do: 8
// BITS: error: rtn: layer 'good': {{.*}}9
// NOMATCH: error: rtn: only='nothing' matches no layer's name
// REGEX: error: rtn: skip='[' is no regular expression
// GRANULARITY: error: rtn: granularity is group, channel or tensor, not 'row'
// NAN: error: rtn: layer 'nan': its weight: {{.*}}row 1{{.*}}column 2
// UNBOUND: error: rtn: layer 'unbound': its weight: it is a function argument without data; bind the weights with --load-parameters
// ELIDED: error: rtn: layer 'elided': its weight: the resource 'missing' has no data
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}, %p: tensor<8x8xf32> {ptq.parameter = "unbound.weight"}) -> tensor<3x8xf32> {
  %w = arith.constant {ptq.key = "good.weight"} dense<[[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 5.0]]> : tensor<1x8xf32>
  %n = arith.constant {ptq.key = "nan.weight"} dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 0x7FC00000, 4.0, 5.0, 6.0, 7.0, 8.0]]> : tensor<2x8xf32>
  %e = arith.constant {ptq.key = "elided.weight"} dense_resource<missing> : tensor<8x8xf32>
  %0 = ptq.linear %x, %w {layer = "good"} : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  %1 = ptq.linear %x, %n {layer = "nan"} : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
  %2 = ptq.linear %x, %p {layer = "unbound"} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %3 = ptq.linear %2, %e {layer = "elided"} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %4 = math.tanh %3 : tensor<3x8xf32>
  %5 = math.tanh %0 : tensor<3x1xf32>
  %6 = math.tanh %1 : tensor<3x2xf32>
  return %4 : tensor<3x8xf32>
}
