func.func @main(%w: tensor<2xf32> {ptq.parameter = "w"}) -> tensor<2xf32> {
  return %w : tensor<2xf32>
}
