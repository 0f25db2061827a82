// What NF4 does not go with: one message that names the layer and the remedy.
//
// RUN: not quant-opt %s --rtn="type=fp4 only=." -o %t 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quant-opt %s --rtn="type=nf4 bits=8 group-size=8 only=." -o %t 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not quant-opt %s --rtn="type=nf4 symmetric=false group-size=8 only=." -o %t 2>&1 | FileCheck %s --check-prefix=SYMMETRIC
// RUN: not quant-opt %s --rtn="type=nf4 granularity=tensor only=." -o %t 2>&1 | FileCheck %s --check-prefix=TENSOR
// RUN: not quant-opt %s --rtn="type=nf4 activations=per-token only=." -o %t 2>&1 | FileCheck %s --check-prefix=ACTIVATIONS

// TYPE: error: rtn: type is int or nf4, not 'fp4'
// BITS: error: rtn: layer 'fc': NF4 has 4 bits, not 8
// SYMMETRIC: error: rtn: layer 'fc': NF4 has no zero points
// TENSOR: error: rtn: layer 'fc': NF4 scales blocks of a row: its granularity is group or channel, not tensor
// ACTIVATIONS: error: rtn: layer 'fc' has integer activations, which cannot be multiplied with the entries of a codebook
func.func @main(%x: tensor<3x8xf32> {ptq.input = "x"}) -> tensor<3x1xf32> {
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[2.0, -2.0, 0.0, 0.32, -0.8, 0.88, 1.44, 0.16]]> : tensor<1x8xf32>
  %y = ptq.linear %x, %w {layer = "fc"} : (tensor<3x8xf32>, tensor<1x8xf32>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}
