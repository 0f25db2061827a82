// 0
func.func @main(%x: tensor<2x4xf32>, %c: i1) -> tensor<2x4xf32> {
  %w = arith.constant dense<0.5> : tensor<4x4xf32>
  cf.cond_br %c, ^bb1, ^bb2(%x : tensor<2x4xf32>)
^bb1:
  %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  cf.br ^bb2(%0 : tensor<2x4xf32>)
^bb2(%r: tensor<2x4xf32>):
  return %r : tensor<2x4xf32>
}
