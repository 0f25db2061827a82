// Integer activations that cannot be had: one message that names the layer and the remedy.
//
// RUN: not quant-opt %s --rtn="activations=per-row only=." -o %t 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --rtn="activations=per-token symmetric=false only=." -o %t 2>&1 | FileCheck %s --check-prefix=ASYMMETRIC
// RUN: not quant-opt %s --rtn="activations=per-tensor-static only=free" -o %t 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not quant-opt %s --rtn="only=lopsided" -o %t 2>&1 | FileCheck %s --check-prefix=LOPSIDED
// RUN: not quant-opt %s --rtn="only=token" -o %t 2>&1 | FileCheck %s --check-prefix=TOKEN
// RUN: not quant-opt %s --rtn="only=channel" -o %t 2>&1 | FileCheck %s --check-prefix=CHANNEL
// RUN: not quant-opt %s --rtn="activations=none only=clip bits=4 group-size=2" -o %t 2>&1 | FileCheck %s --check-prefix=CLIP
// RUN: not quant-opt %s --rtn="activations=none only=negative bits=4 group-size=2" -o %t 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// NAME: error: rtn: activations is none, per-token, per-token-asymmetric, per-token-int4, per-tensor, per-tensor-asymmetric or per-tensor-static, not 'per-row'
// ASYMMETRIC: error: rtn: layer 'free' has integer activations, which need a weight without zero points: symmetric=true, or activations=none
// STATISTICS: error: rtn: layer 'free' has a static activation scheme and no statistics; run --calibrate="data=F" or --load-statistics="file=F" before, or compute scales at run time with activations=per-tensor
// LOPSIDED: error: rtn: layer 'lopsided' has a static asymmetric activation scheme, but statistics hold no least and greatest values; make it symmetric, or dynamic
// TOKEN: error: rtn: layer 'token' has an activation scheme with known scales per_token; they are computed at run time: make it dynamic
// CHANNEL: error: rtn: layer 'channel' has an activation scheme per_channel; an activation is quantized per_token or per_tensor
// CLIP: error: rtn: layer 'clip': its weight: ranges are clipped for 1 x 1 groups, but the weight has 1 x 2: search them for the scheme that is rounded to
// NEGATIVE: error: rtn: layer 'negative': its weight: the range of row 0, group 1 is clipped at -1, which is negative or not finite
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}) -> tensor<3x1xf32> {
  %w = arith.constant {ptq.key = "weight"} dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %0 = ptq.linear %x, %w {layer = "free"} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %1 = ptq.linear %x, %w {layer = "lopsided", activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>,
                          statistics = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<4xf32>, mean_abs = dense<1.0> : tensor<4xf32>>}
     : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %2 = ptq.linear %x, %w {layer = "token", activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token>} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %3 = ptq.linear %x, %w {layer = "channel", activation_scheme = #ptq.scheme<bits = 8, symmetric, per_channel, dynamic>} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %4 = ptq.linear %x, %w {layer = "clip", clip = dense<1.0> : tensor<1x1xf32>} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  %5 = ptq.linear %x, %w {layer = "negative", clip = dense<[[1.0, -1.0]]> : tensor<1x2xf32>} : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<3x1xf32>
  return %5 : tensor<3x1xf32>
}
