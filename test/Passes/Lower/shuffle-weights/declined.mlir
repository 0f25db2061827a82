// RUN: quant-opt %s --shuffle-weights --split-input-file --verify-diagnostics | FileCheck %s
// RUN: quant-opt %s --ptq-to-gpu --split-input-file -o /dev/null 2>&1 | FileCheck %s --check-prefix=GPU

// CHECK-LABEL: func.func @variable
// CHECK-NOT: linalg.generic
func.func @variable(%x: tensor<3x32xf16>, %w: tensor<4x4xi32>) -> tensor<3x4xf16> {
  %s = arith.constant dense<1.0> : tensor<4x1xf16>
  // expected-remark@+1 {{layer 'd' is left as it is: its weight is not a constant}}
  %y = ptq.weight_only_linear %x, %w, %s {layer = "d", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<3x32xf16>, tensor<4x4xi32>, tensor<4x1xf16>) -> tensor<3x4xf16>
  return %y : tensor<3x4xf16>
}

// -----

// An order of another version is not read as this one's.
// GPU: layer 'e' is left as it is: its weight is in an order, 'n8k8', that the kernels here do not have: start from the module before --shuffle-weights
// CHECK-LABEL: func.func @other
// CHECK: "n8k8"
// CHECK-NOT: "n64k16"
func.func @other(%x: tensor<3x32xf16>) -> tensor<3x4xf16> {
  %s = arith.constant dense<1.0> : tensor<4x1xf16>
  %q = arith.constant dense<7> : tensor<512xi32>
  %empty = tensor.empty() : tensor<4x4xi32>
  %w = linalg.generic {indexing_maps = [affine_map<(n, j) -> (n, j)>], iterator_types = ["parallel", "parallel"]}
         outs(%empty : tensor<4x4xi32>) attrs = {ptq.weight_layout = "n8k8"} {
  ^bb0(%out: i32):
    %n = linalg.index 0 : index
    %word = tensor.extract %q[%n] : tensor<512xi32>
    linalg.yield %word : i32
  } -> tensor<4x4xi32>
  // expected-remark@+1 {{layer 'e' is left as it is: its weight is in an order, 'n8k8', that the kernels here do not have}}
  %y = ptq.weight_only_linear %x, %w, %s {layer = "e", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
       : (tensor<3x32xf16>, tensor<4x4xi32>, tensor<4x1xf16>) -> tensor<3x4xf16>
  return %y : tensor<3x4xf16>
}
