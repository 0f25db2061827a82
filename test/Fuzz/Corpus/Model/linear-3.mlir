// 3
func.func @main(%x: tensor<2x4xf32> {ptq.input = "x"}) -> tensor<2x2xf32> {
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[0.5,-1.0,2.0,0.25],[1.0,0.0,0.0,-3.0]]> : tensor<2x4xf32>
  %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x2xf32>
  %1 = math.tanh %0 : tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}
