// The module as it was loaded is kept through whatever runs in between, to the end of one pipeline.
//
// RUN: rm -rf %t && mkdir %t
// Parameters from a checkpoint: kept by --load-parameters. The samples are the calibration's. Passes that change everything,
// and one that runs on functions, lie in between.
// RUN: quant-opt %models/tiny/model.mlir --load-parameters=file=%models/tiny/weights.safetensors --canonicalize \
// RUN:   --calibrate="data=%models/tiny/calibration.txt max-samples=4 statistics=false" --cse --verify-equivalence \
// RUN:   --ptq-to-linalg --canonicalize --verify-equivalence="tolerance=1e-5 max-samples=2" -o %t/float.mlir 2>&1 \
// RUN:   | FileCheck %s --check-prefix=FLOAT
// Quantized layers: reported, and only if asked for a failure.
// RUN: quant-opt %models/tiny/model.mlir --load-parameters=file=%models/tiny/weights.safetensors --rtn="bits=4 group-size=64" \
// RUN:   --verify-equivalence="data=%models/tiny/evaluation.safetensors max-samples=3" \
// RUN:   --verify-equivalence="data=%models/tiny/evaluation.txt max-samples=3 sqnr=20" -o %t/rtn.mlir 2>&1 \
// RUN:   | FileCheck %s --check-prefix=RTN
// RUN: not quant-opt %models/tiny/model.mlir --load-parameters=file=%models/tiny/weights.safetensors --rtn="bits=2 group-size=64" \
// RUN:   --verify-equivalence="data=%models/tiny/evaluation.safetensors sqnr=20" -o %t/none.mlir 2>&1 \
// RUN:   | FileCheck %s --check-prefix=BAD
// RUN: not ls %t/none.mlir
// Two checkpoints that are the same function with other weights, and one that is not.
// RUN: quant-opt %models/tiny/model.mlir --load-parameters=file=%models/tiny/weights-outliers.safetensors \
// RUN:   --verify-equivalence="data=%models/tiny/evaluation.safetensors max-samples=2 reference=%models/tiny/model.mlir reference-parameters=%models/tiny/weights.safetensors" \
// RUN:   -o %t/outliers.mlir 2>&1 | FileCheck %s --check-prefix=OUTLIERS
// In the stock mlir-opt, with nested pass managers.
// RUN: %if plugin %{ mlir-opt %models/tiny/model.mlir --load-dialect-plugin=%ptq_plugin --load-pass-plugin=%ptq_plugin \
// RUN:   --pass-pipeline='builtin.module(load-parameters{file=%models/tiny/weights.safetensors},func.func(canonicalize),raise-linear,func.func(cse,canonicalize),verify-equivalence{data=%models/tiny/calibration.txt max-samples=1})' \
// RUN:   -o %t/plugin.mlir 2>&1 | FileCheck %s --check-prefix=PLUGIN %}
//
// Weights inline: kept by the first pass that raises.
// RUN: %make_safetensors write %t/x.safetensors x:F32:2x4=1
// RUN: quant-opt %s --rtn="bits=8 group-size=-1" --verify-equivalence="data=%t/x.safetensors" 2>&1 | FileCheck %s --check-prefix=INLINE
// RUN: quant-opt %s --raise-linear --verify-equivalence="data=%t/x.safetensors" 2>&1 | FileCheck %s --check-prefix=RAISED
// A half's rescaling rounds: 16-bit models have a tolerance of their own.
// RUN: quant-opt %models/mistral_f16/model.mlir --load-parameters=file=%models/mistral_f16/weights.safetensors --raise-linear \
// RUN:   --verify-equivalence="data=%models/mistral_f16/io.safetensors" -o %t/half.mlir 2>&1 | FileCheck %s --check-prefix=HALF

// FLOAT: agrees with the module as it was loaded (tolerance 0.0001) on 4 samples of '{{.*}}calibration.txt'
// FLOAT: agrees with the module as it was loaded (tolerance 1e-05) on 2 samples of '{{.*}}calibration.txt'
// RTN: remark: verify-equivalence: quantized, and nothing is required of it as neither tolerance nor sqnr is given; against the module as it was loaded on 3 samples
// RTN: output {{ *}}[[SQNR:[23][0-9]\.[0-9]+]] {{ *}}0.99
// RTN: they part at the input of 'model.layers.0.self_attn.o_proj' (residual 0.0{{[0-9]+}}); the input of the layer before, 'model.layers.0.self_attn.v_proj', agrees (0)
// The same samples as text give the same numbers.
// RTN: remark: verify-equivalence: agrees with the module as it was loaded (least SQNR 20 dB) on 3 samples
// RTN: output {{ *}}[[SQNR]]
// BAD: error: verify-equivalence: does not agree with the module as it was loaded (least SQNR 20 dB) on 8 samples
// OUTLIERS: agrees with '{{.*}}model.mlir' (tolerance 0.0001) on 2 samples
// PLUGIN: agrees with the module as it was loaded (tolerance 0.0001) on 1 samples
// INLINE: quantized
// INLINE: y {{ *}}{{[3-9][0-9]\.|inf}}
// RAISED: agrees with the module as it was loaded (tolerance 0.0001) on 1 samples
// HALF: agrees with the module as it was loaded (tolerance 0.02) on 1 samples
func.func @main(%x: tensor<2x4xf32> {ptq.input = "x"}) -> (tensor<2x2xf32> {ptq.output = "y"}) {
  %w = arith.constant dense<[[1.0, 2.0], [0.3, 0.4], [-0.2, 0.7], [0.1, -1.0]]> : tensor<4x2xf32>
  %e = arith.constant dense<0.0> : tensor<2x2xf32>
  %0 = linalg.matmul ins(%x, %w : tensor<2x4xf32>, tensor<4x2xf32>) outs(%e : tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = math.tanh %0 : tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}
