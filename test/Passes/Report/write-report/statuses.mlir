// Declined and skipped layers are in the report, with the reason.
//
// RUN: quant-opt %s --raise-linear --rtn="bits=8 group-size=4 skip=fc" --write-report=file=%t.json -o /dev/null
// RUN: FileCheck %s < %t.json
// RUN: not quant-opt %s --write-report=file=%t.txt -o /dev/null 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --write-report=file=%t.none/r.json -o /dev/null 2>&1 | FileCheck %s --check-prefix=FOLDER

// CHECK: "compression_ratio": 1
// CHECK: "location": "{{.*}}statuses.mlir:[[#]]:[[#]]"
// CHECK: "name": "experts"
// CHECK: "reason": "the weight differs along a batch dimension of size 2; one layer has one weight"
// CHECK: "status": "declined"
// CHECK: "name": "fc"
// CHECK: "reason": "its name matches skip='fc'"
// CHECK: "shape": [
// CHECK-NEXT: 2,
// CHECK-NEXT: 4
// CHECK: "status": "skipped"
// NAME: error: write-report needs file=F.json or file=F.html, not '
// FOLDER: error: write-report: {{.*}}r.json
func.func @main(%x: tensor<2x3x4xf32> {ptq.input = "x"}, %e: tensor<2x4x4xf32> {ptq.parameter = "experts.weight"},
                %w: tensor<4x2xf32> {ptq.parameter = "fc.weight"}) -> tensor<2x3x2xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<2x3x4xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %2 = linalg.batch_matmul ins(%x, %e : tensor<2x3x4xf32>, tensor<2x4x4xf32>) outs(%1 : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %3 = tensor.collapse_shape %2 [[0, 1], [2]] : tensor<2x3x4xf32> into tensor<6x4xf32>
  %4 = tensor.empty() : tensor<6x2xf32>
  %5 = linalg.fill ins(%zero : f32) outs(%4 : tensor<6x2xf32>) -> tensor<6x2xf32>
  %6 = linalg.matmul ins(%3, %w : tensor<6x4xf32>, tensor<4x2xf32>) outs(%5 : tensor<6x2xf32>) -> tensor<6x2xf32>
  %7 = tensor.expand_shape %6 [[0, 1], [2]] output_shape [2, 3, 2] : tensor<6x2xf32> into tensor<2x3x2xf32>
  return %7 : tensor<2x3x2xf32>
}
