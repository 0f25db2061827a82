// Rounding that a pass has promised is done before the module leaves: at the end of quant-opt's pipeline, in a driver that
// adds the pass, before it is saved, reported or lowered; and not after a rounding pass of the user's choice.
//
// RUN: quant-opt %s --canonicalize | FileCheck %s --check-prefix=END
// RUN: mlir-opt --load-dialect-plugin=%ptq_plugin --load-pass-plugin=%ptq_plugin --pass-pipeline='builtin.module(run-pending)' %s | FileCheck %s --check-prefix=END
// RUN: quant-opt %s --save-parameters=file=%t.safetensors -o %t.mlir 2>/dev/null
// RUN: FileCheck %s --check-prefix=SAVED --input-file=%t.mlir
// RUN: quant-opt %s --write-report=file=%t.json -o %t.mlir
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json
// RUN: quant-opt %s --ptq-to-linalg | FileCheck %s --check-prefix=LOWERED
// RUN: quant-opt %s --ptq-to-cpu | FileCheck %s --check-prefix=CALL
// RUN: quant-opt %s --rtn="only=b bits=4 group-size=4" | FileCheck %s --check-prefix=CHOSEN

// END-NOT: ptq.pending_rounding
// END: ptq.integer_linear {{.*}}layer = "a"
// END: ptq.linear {{.*}}layer = "b", ptq.skipped = "no pass has marked it"

// SAVED: ptq.integer_linear {{.*}}layer = "a"

// REPORT: "scheme": "W8A8

// LOWERED-NOT: ptq.integer_linear
// LOWERED: arith.addi

// CALL: call @ptq_rt_integer_linear

// CHOSEN-NOT: ptq.pending_rounding
// CHOSEN: ptq.linear {{.*}}layer = "a"
// CHOSEN: ptq.weight_only_linear {{.*}}layer = "b"
module attributes {ptq.pending_rounding} {
  func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}) -> tensor<3x4xf32> {
    %w = arith.constant {ptq.key = "w"} dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.5, 0.0, 0.0, 0.0]]> : tensor<4x4xf32>
    %0 = ptq.linear %x, %w {layer = "a", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>,
                            activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
       : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
    %1 = ptq.linear %0, %w {layer = "b"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
    %2 = math.tanh %1 : tensor<3x4xf32>
    return %2 : tensor<3x4xf32>
  }
}
