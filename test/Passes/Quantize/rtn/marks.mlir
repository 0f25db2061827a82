// What earlier passes leave on layers: float, another method, a scheme that marked-only asks for, outlier columns.
//
// RUN: quant-opt %s --rtn="bits=8 group-size=4 skip=gptq|outlier" | FileCheck %s --check-prefix=FLOAT
// RUN: quant-opt %s --rtn="marked-only=true skip=outlier" | FileCheck %s --check-prefix=MARKED
// RUN: not quant-opt %s --rtn="bits=8 group-size=4 skip=outlier" -o %t 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not quant-opt %s --rtn="bits=8 group-size=-1 only=outlier" -o %t 2>&1 | FileCheck %s --check-prefix=OUTLIER
// RUN: not quant-opt %s --rtn="type=fp3 only=plain" -o %t 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quant-opt %s --rtn="type=nf4 activations=per-token group-size=4 only=plain" -o %t 2>&1 | FileCheck %s --check-prefix=NF4

// FLOAT: ptq.weight_only_linear {{.*}}layer = "plain"
// FLOAT: ptq.linear {{.*}}layer = "kept", ptq.keep_float = "the plan says so", ptq.skipped = "the plan says so"

// MARKED: ptq.linear {{.*}}layer = "plain", ptq.skipped = "no pass has marked it"
// MARKED: ptq.weight_only_linear {{.*}}layer = "marked"

// METHOD: error: rtn: layer 'gptq' is to be rounded by gptq, as it is marked: run --gptq

// OUTLIER: error: rtn: layer 'outlier' has outlier columns, which stay in float beside integer activations: give activations=per-token, or leave the option out

// TYPE: error: rtn: type is int or nf4, not 'fp3'

// NF4: error: rtn: layer 'plain' has integer activations, which cannot be multiplied with the entries of a codebook: type=int, or activations=none
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}) -> tensor<3x4xf32> {
  %w = arith.constant {ptq.key = "w"} dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.5, 0.0, 0.0, 0.0]]> : tensor<4x4xf32>
  %0 = ptq.linear %x, %w {layer = "plain"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %1 = ptq.linear %0, %w {layer = "kept", ptq.keep_float = "the plan says so"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %2 = ptq.linear %1, %w {layer = "gptq", ptq.method = "gptq"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %3 = ptq.linear %2, %w {layer = "marked", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %4 = ptq.linear %3, %w {layer = "outlier", outliers = #ptq.outliers<threshold = 6.0 : f64, dynamic = false, dequantized = false, columns = [1]>}
     : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %5 = math.tanh %4 : tensor<3x4xf32>
  return %5 : tensor<3x4xf32>
}
