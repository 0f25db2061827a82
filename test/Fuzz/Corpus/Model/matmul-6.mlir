// 6
func.func @main(%x: tensor<2x4xf32> {ptq.input = "x"}) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, 0.0, -3.0]]> : tensor<2x4xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x2xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<2x2xf32>) -> tensor<2x2xf32>
  %t0 = tensor.empty() : tensor<4x2xf32>
  %t = linalg.transpose ins(%w : tensor<2x4xf32>) outs(%t0 : tensor<4x2xf32>) permutation = [1, 0]
  %0 = linalg.matmul ins(%x, %t : tensor<2x4xf32>, tensor<4x2xf32>) outs(%init : tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = math.tanh %0 : tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}
