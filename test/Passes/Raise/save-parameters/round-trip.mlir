// What was loaded is saved as it was, and what is saved can be loaded.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/in.safetensors a.weight:F32:2x3 b.bias:F16:3 c:BF16:2 d:I64:2 e:BOOL:3=0,1 g:F64: empty:F32:0x3
// RUN: quant-opt %s --load-parameters=file=%t/in.safetensors --save-parameters=file=%t/out.safetensors -o %t/out.mlir 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: FileCheck %s < %t/out.mlir
// RUN: %make_safetensors show %t/in.safetensors > %t/in.txt
// RUN: %make_safetensors show %t/out.safetensors > %t/out.txt
// RUN: diff %t/in.txt %t/out.txt
// RUN: quant-opt %t/out.mlir --load-parameters="file=%t/out.safetensors strict" --save-parameters=file=%t/again.safetensors -o %t/again.mlir
// RUN: cmp %t/out.safetensors %t/again.safetensors
// RUN: diff %t/out.mlir %t/again.mlir
//
// Over the file that it came from, which is still mapped:
// RUN: quant-opt %s --load-parameters=file=%t/in.safetensors --save-parameters=file=%t/in.safetensors -o /dev/null
// RUN: cmp %t/in.safetensors %t/out.safetensors
//
// REMARK: remark: saved 7 parameters, {{.*}} MB, to '{{.*}}out.safetensors'
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<4x3xf32> {ptq.input = "x"},
// CHECK-SAME: tensor<2x3xf32> {ptq.parameter = "a.weight"}
// CHECK-SAME: tensor<3xi1> {ptq.parameter = "e"}
// CHECK-NOT: arith.constant
// CHECK-NOT: dialect_resources
func.func @main(%x: tensor<4x3xf32> {ptq.input = "x"}, %a: tensor<2x3xf32> {ptq.parameter = "a.weight"}, %b: tensor<3xf16> {ptq.parameter = "b.bias"},
                %c: tensor<2xbf16> {ptq.parameter = "c"}, %d: tensor<2xi64> {ptq.parameter = "d"}, %e: tensor<3xi1> {ptq.parameter = "e"},
                %g: tensor<f64> {ptq.parameter = "g"}, %h: tensor<0x3xf32> {ptq.parameter = "empty"})
    -> (tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf16>, tensor<2xbf16>, tensor<2xi64>, tensor<3xi1>, tensor<f64>, tensor<0x3xf32>) {
  return %a, %x, %b, %c, %d, %e, %g, %h
    : tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf16>, tensor<2xbf16>, tensor<2xi64>, tensor<3xi1>, tensor<f64>, tensor<0x3xf32>
}
