// Weights in the kernels' order are the same weights: modules with them give equal results, as they are and lowered, for all
// widths, where rows end within a word and blocks are padded.
//
// RUN: rm -rf %t && mkdir %t
// RUN: %make_safetensors write %t/w.safetensors a:F32:70x96=-1.7,0.00051 b:F32:33x70=-0.3,0.00037
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x5x96=-30.1,0.77
// DEFINE: %{bits} =
// DEFINE: %{group} =
// DEFINE: %{equal} = FileCheck %s --check-prefix=EQUAL
// DEFINE: %{prepare} = quant-opt %s --load-parameters=file=%t/w.safetensors --rtn="bits=%{bits} group-size=%{group} only=a" \
// DEFINE:     --rtn="bits=%{bits} group-size=-1 symmetric=false only=b" -o %t/q.mlir && \
// DEFINE:   quant-opt %t/q.mlir --shuffle-weights -o %t/s.mlir && FileCheck %s --input-file=%t/s.mlir && \
// DEFINE:   quant-opt %t/s.mlir --ptq-to-linalg -o %t/l.mlir && mlir-opt %t/l.mlir -o /dev/null && \
// DEFINE:   quant-opt %t/s.mlir --ptq-to-cpu -o %t/c.mlir && quant-opt %t/q.mlir --ptq-to-cpu -o %t/d.mlir
// DEFINE: %{run} = quant-run %t/s.mlir --inputs=%t/x.safetensors --reference=%t/q.mlir | %{equal} && \
// DEFINE:   quant-run %t/l.mlir --inputs=%t/x.safetensors --reference=%t/q.mlir | %{equal} && \
// DEFINE:   quant-run %t/c.mlir --inputs=%t/x.safetensors --reference=%t/d.mlir | %{equal}
// REDEFINE: %{bits} = 2
// REDEFINE: %{group} = 32
// RUN: %{prepare}
// RUN: %{run}
// REDEFINE: %{bits} = 3
// REDEFINE: %{group} = -1
// RUN: %{prepare}
// RUN: %{run}
// REDEFINE: %{bits} = 3
// REDEFINE: %{group} = 32
// RUN: %{prepare}
// RUN: %{run}
// REDEFINE: %{bits} = 4
// REDEFINE: %{group} = -1
// RUN: %{prepare}
// RUN: %{run}
// REDEFINE: %{bits} = 4
// REDEFINE: %{group} = 32
// RUN: %{prepare}
// RUN: %{run}
// REDEFINE: %{bits} = 8
// REDEFINE: %{group} = 32
// RUN: %{prepare}
// RUN: %{run}
// Nothing is shuffled twice.
// RUN: quant-opt %t/s.mlir --shuffle-weights -o %t/again.mlir
// RUN: diff %t/s.mlir %t/again.mlir
// CHECK: linalg.generic
// CHECK: ptq.weight_layout = "n64k16"
// CHECK: ptq.weight_only_linear
// CHECK: ptq.weight_layout = "n64k16"
// CHECK: ptq.weight_only_linear
// EQUAL: inf {{ *}}1.00000000 {{ *}}0 {{ *}}0
// EQUAL: inf {{ *}}1.00000000 {{ *}}0 {{ *}}0

func.func @main(%x: tensor<2x5x96xf32> {ptq.input = "x"}, %a: tensor<70x96xf32> {ptq.parameter = "a"},
                %b: tensor<33x70xf32> {ptq.parameter = "b"}) -> (tensor<5x70xf32>, tensor<5x33xf32>) {
  %h = tensor.extract_slice %x[0, 0, 0] [1, 5, 96] [1, 1, 1] : tensor<2x5x96xf32> to tensor<5x96xf32>
  %y = ptq.linear %h, %a {layer = "a"} : (tensor<5x96xf32>, tensor<70x96xf32>) -> tensor<5x70xf32>
  %z = ptq.linear %y, %b {layer = "b"} : (tensor<5x70xf32>, tensor<33x70xf32>) -> tensor<5x33xf32>
  return %y, %z : tensor<5x70xf32>, tensor<5x33xf32>
}
