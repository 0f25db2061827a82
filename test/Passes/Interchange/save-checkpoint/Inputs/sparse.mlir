func.func @main(%x: tensor<4x64xf32> {ptq.input = "x"}) -> tensor<4x32xf32> {
  %q = arith.constant {ptq.key = "fc.weight_packed"} dense<-2004318072> : tensor<32x8xi32>
  %s = arith.constant {ptq.key = "fc.weight_scale"} dense<0.5> : tensor<32x1xf32>
  %o = arith.constant {ptq.key = "fc.weight_outlier_offsets"} dense<[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]> : tensor<33xi32>
  %c = arith.constant {ptq.key = "fc.weight_outlier_columns"} dense<3> : tensor<1xi32>
  %v = arith.constant {ptq.key = "fc.weight_outliers"} dense<2.0> : tensor<1xf16>
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {layer = "fc", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x1xf32>, tensor<33xi32>, tensor<1xi32>, tensor<1xf16>) -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
