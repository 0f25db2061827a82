// Arguments become constants on the mapped file, whatever their type.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/all.safetensors a.weight:F32:2x3 b.bias:F16:3 c:BF16:2 d:I64:2 e:BOOL:4=1,0 f:U8:2 g:F64: empty:F32:0x3
// RUN: quant-opt %s --load-parameters=file=%t/all.safetensors | FileCheck %s
// RUN: quant-opt %s --load-parameters="file=%t/all.safetensors strict" --verify-roundtrip -o /dev/null
//
// The same from two files, in any order, and from a sharded checkpoint's index.
// RUN: %make_safetensors write %t/1.safetensors a.weight:F32:2x3 b.bias:F16:3 c:BF16:2 d:I64:2
// RUN: %make_safetensors write %t/2.safetensors e:BOOL:4=1,0 f:U8:2 g:F64: empty:F32:0x3
// RUN: quant-opt %s --load-parameters="file=%t/1.safetensors,%t/2.safetensors strict" | FileCheck %s
// RUN: quant-opt %s --load-parameters="file=%t/2.safetensors,%t/1.safetensors strict" | FileCheck %s
// RUN: %python %S/Inputs/write_index.py %t/model.safetensors.index.json a.weight=1.safetensors b.bias=1.safetensors c=1.safetensors d=1.safetensors e=2.safetensors f=2.safetensors g=2.safetensors empty=2.safetensors
// RUN: quant-opt %s --load-parameters="file=%t/model.safetensors.index.json strict" | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<4x3xf32> {ptq.input = "x"}) ->
// CHECK-DAG: %[[A:.*]] = arith.constant {ptq.key = "a.weight"{{.*}}} dense_resource<[[RA:.*]]> : tensor<2x3xf32>
// CHECK-DAG: arith.constant {ptq.key = "b.bias"{{.*}}} dense_resource<{{.*}}> : tensor<3xf16>
// CHECK-DAG: arith.constant {ptq.key = "c"{{.*}}} dense_resource<{{.*}}> : tensor<2xbf16>
// CHECK-DAG: arith.constant {ptq.key = "d"{{.*}}} dense_resource<{{.*}}> : tensor<2xi64>
// CHECK-DAG: arith.constant {ptq.key = "e"{{.*}}} dense<true> : tensor<4xi1>
// CHECK-DAG: arith.constant {ptq.key = "f"{{.*}}} dense_resource<{{.*}}> : tensor<2xui8>
// CHECK-DAG: arith.constant {ptq.key = "g"{{.*}}} dense_resource<{{.*}}> : tensor<f64>
// CHECK-DAG: arith.constant {ptq.key = "empty"{{.*}}} dense_resource<{{.*}}> : tensor<0x3xf32>
func.func @main(%a: tensor<2x3xf32> {ptq.parameter = "a.weight"}, %x: tensor<4x3xf32> {ptq.input = "x"}, %b: tensor<3xf16> {ptq.parameter = "b.bias"},
                %c: tensor<2xbf16> {ptq.parameter = "c"}, %d: tensor<2xi64> {ptq.parameter = "d"}, %e: tensor<4xi1> {ptq.parameter = "e"},
                %f: tensor<2xui8> {ptq.parameter = "f"}, %g: tensor<f64> {ptq.parameter = "g"}, %h: tensor<0x3xf32> {ptq.parameter = "empty"})
    -> (tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf16>, tensor<2xbf16>, tensor<2xi64>, tensor<4xi1>, tensor<2xui8>, tensor<f64>, tensor<0x3xf32>) {
  // CHECK: return %[[A]], %[[X]]
  return %a, %x, %b, %c, %d, %e, %f, %g, %h
    : tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf16>, tensor<2xbf16>, tensor<2xi64>, tensor<4xi1>, tensor<2xui8>, tensor<f64>, tensor<0x3xf32>
}

// Two functions share the data.
// CHECK-LABEL: func.func @decode
// CHECK-SAME: () -> tensor<2x3xf32>
// CHECK-NEXT: arith.constant {ptq.key = "a.weight"{{.*}}} dense_resource<[[RA]]> : tensor<2x3xf32>
func.func @decode(%a: tensor<2x3xf32> {ptq.parameter = "a.weight"}) -> tensor<2x3xf32> {
  return %a : tensor<2x3xf32>
}

// A declaration has no body to put a constant in.
// CHECK: func.func private @declared(tensor<2x3xf32> {ptq.parameter = "a.weight"})
func.func private @declared(tensor<2x3xf32> {ptq.parameter = "a.weight"})

// CHECK: a.weight: "0x04000000000000000000803F00000040000040400000804000{{0*}}00A040"
