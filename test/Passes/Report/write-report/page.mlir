// The report as a page: its own style and script, the data as JSON that no name can break out of, and a policy with the
// hashes of the two. The browser test (test/Browser) runs it.
//
// RUN: quant-opt %s --raise-linear --write-report=file=%t.html -o /dev/null 2> /dev/null
// RUN: FileCheck %s < %t.html
// RUN: %python %S/Inputs/check_page.py %t.html 'x</script><script>alert(1)</script><!--&amp;' fc

// CHECK: <!doctype html>
// CHECK: <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{{[A-Za-z0-9+/]+}}='; style-src 'sha256-
// CHECK-NOT: alert(1)</script>
// CHECK: <script type="application/json" id="report">{"bytes":
// CHECK-SAME: "name":"x\u003c/script\u003e\u003cscript\u003ealert(1)\u003c/script\u003e\u003c!--\u0026amp;"
// CHECK-SAME: }</script>
// CHECK-NEXT: <script>
// CHECK-NOT: {{@[A-Z]+@}}
// CHECK: </html>
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}, %v: tensor<4x4xf32> {ptq.parameter = "x</script><script>alert(1)</script><!--&amp;.weight"},
                %w: tensor<4x2xf32> {ptq.parameter = "fc.weight"}) -> tensor<3x2xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<3x4xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<3x4xf32>) -> tensor<3x4xf32>
  %2 = linalg.matmul ins(%x, %v : tensor<3x4xf32>, tensor<4x4xf32>) outs(%1 : tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = linalg.exp ins(%2 : tensor<3x4xf32>) outs(%0 : tensor<3x4xf32>) -> tensor<3x4xf32>
  %4 = tensor.empty() : tensor<3x2xf32>
  %5 = linalg.fill ins(%zero : f32) outs(%4 : tensor<3x2xf32>) -> tensor<3x2xf32>
  %6 = linalg.matmul ins(%3, %w : tensor<3x4xf32>, tensor<4x2xf32>) outs(%5 : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %6 : tensor<3x2xf32>
}
