// A key that two arguments name is one constant's data; the layer takes the embedding's name.
//
// RUN: %make_safetensors write %t.safetensors embed.weight:F32:4x2
// RUN: quant-opt %s --load-parameters="file=%t.safetensors strict" --raise-linear | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<3x2xf32> {ptq.input = "x"})
// CHECK-DAG: %[[E:.*]] = arith.constant {ptq.key = "embed.weight"{{.*}}} dense_resource<[[R:embed.weight]]> : tensor<4x2xf32>
// CHECK: ptq.linear %[[X]], %{{.*}} {layer = "embed"} : (tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<3x4xf32>
// CHECK: dialect_resources
// CHECK: embed.weight: "0x04000000
// CHECK-NOT: embed.weight{{.*}}: "0x
func.func @main(%x: tensor<3x2xf32> {ptq.input = "x"}, %e: tensor<4x2xf32> {ptq.parameter = "embed.weight"},
                %h: tensor<4x2xf32> {ptq.parameter = "embed.weight"}) -> (tensor<3x4xf32>, tensor<4x2xf32>) {
  %c = arith.constant dense<0.0> : tensor<3x4xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    ins(%x, %h : tensor<3x2xf32>, tensor<4x2xf32>) outs(%c : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y, %e : tensor<3x4xf32>, tensor<4x2xf32>
}
