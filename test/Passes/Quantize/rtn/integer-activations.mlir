// Layers with an activation scheme become integer layers: schemes, marks, shared quantization, absorbed channel scales.
//
// RUN: quant-opt %s --rtn="activations=per-token only=." | FileCheck %s --check-prefix=TOKEN
// RUN: quant-opt %s --rtn="activations=per-tensor bits=4 group-size=4 only=[abc]" | FileCheck %s --check-prefix=TENSOR
// RUN: quant-opt %s --rtn="activations=per-tensor-static only=[abc]" | FileCheck %s --check-prefix=STATIC
// RUN: quant-opt %s --rtn="activations=per-token-asymmetric only=[abc]" | FileCheck %s --check-prefix=ZERO
// RUN: quant-opt %s --rtn="activations=per-tensor-asymmetric only=[abc]" | FileCheck %s --check-prefix=ONEZERO
// RUN: quant-opt %s --rtn="activations=per-token-int4 only=[abc] bits=4 group-size=4" | FileCheck %s --check-prefix=INT4
// RUN: quant-opt %s --rtn="activations=none only=[ad] bits=8 group-size=-1" | FileCheck %s --check-prefix=NONE
// RUN: quant-opt %s --rtn="only=d" | FileCheck %s --check-prefix=MARK

// a and b read one value, and c the same with channel scales, which its quantization takes over.
// TOKEN-LABEL: func.func @main
// TOKEN-SAME: (%[[X:.*]]: tensor<?x3x4xf32>
// TOKEN-NOT: ptq.scale_channels
// TOKEN: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize %[[X]] {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<?x3x4xf32>) -> (tensor<?x3x4xi8>, tensor<?x3xf32>)
// TOKEN: %[[W:.*]] = arith.constant {ptq.key = "a.weight"} dense_resource<a.weight> : tensor<2x4xi8>
// TOKEN: %[[WS:.*]] = arith.constant {ptq.key = "a.weight_scale"} dense_resource<a.weight_scale> : tensor<2x1xf32>
// TOKEN: ptq.integer_linear %[[Q]], %[[S]], %[[W]], %[[WS]] {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a", ptq.input_scale = "folded", ptq.report = {{.*}}, statistics = {{.*}}, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
// TOKEN-NOT: ptq.dynamic_quantize
// TOKEN: ptq.integer_linear %[[Q]], %[[S]], %{{.*}}, %{{.*}} bias %{{.*}} {{.*}}layer = "b"
// TOKEN: %[[QC:.*]], %[[SC:.*]] = ptq.dynamic_quantize %[[X]] channel_scales %{{.*}} {
// TOKEN: ptq.integer_linear %[[QC]], %[[SC]], {{.*}}layer = "c"
// The float weight has another user.
// TOKEN: arith.constant {ptq.key = "d.weight_int8"}
// TOKEN: a.weight: "0x01000000E6024C7F207F8281"

// TENSOR: ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor, dynamic>} : (tensor<?x3x4xf32>) -> (tensor<?x3x4xi8>, tensor<1xf32>)
// TENSOR: %[[W:.*]] = arith.constant {ptq.key = "a.weight_packed"}
// TENSOR: ptq.integer_linear {{.*}}weight_scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>} : (tensor<?x3x4xi8>, tensor<1xf32>, tensor<2x1xi32>, tensor<2x1xf32>) -> tensor<?x3x2xf32>

// The greatest |x| is 127: the scale is 1. That of the scaled input is 254: 2.
// STATIC: %[[S:.*]] = arith.constant {ptq.key = "a.input_scale"} dense<1.000000e+00> : tensor<1xf32>
// STATIC: %[[Q:.*]] = ptq.quantize %{{.*}}, %[[S]] {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<?x3x4xf32>, tensor<1xf32>) -> tensor<?x3x4xi8>
// STATIC: ptq.integer_linear %[[Q]], %[[S]], {{.*}}layer = "a"
// STATIC: ptq.integer_linear %[[Q]], %[[S]], {{.*}}layer = "b"
// STATIC: %[[SC:.*]] = arith.constant {ptq.key = "c.input_scale"} dense<2.000000e+00> : tensor<1xf32>
// STATIC: ptq.quantize %{{.*}}, %[[SC]] channel_scales %{{.*}} {
// STATIC: ptq.linear {{.*}}layer = "d"

// With zero points of tokens, or one of all.
// ZERO: %[[Q:[^ ]*]], %[[S:[^ ]*]], %[[Z:[^ ]*]] = ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>} : (tensor<?x3x4xf32>) -> (tensor<?x3x4xi8>, tensor<?x3xf32>, tensor<?x3xi8>)
// ZERO: ptq.integer_linear %[[Q]], %[[S]] x_zero_points %[[Z]], {{.*}}layer = "a"
// ONEZERO: ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor, dynamic>} : (tensor<?x3x4xf32>) -> (tensor<?x3x4xi8>, tensor<1xf32>, tensor<1xi8>)
// INT4: ptq.dynamic_quantize %{{.*}} {scheme = #ptq.scheme<bits = 4, symmetric, per_token, dynamic>}

// NONE-NOT: ptq.integer_linear
// NONE: ptq.weight_only_linear {{.*}}layer = "a"
// NONE: ptq.weight_only_linear {{.*}}layer = "d"

// MARK: ptq.linear {{.*}}layer = "a"
// MARK: %{{.*}}, %{{.*}}, %[[Z:.*]] = ptq.dynamic_quantize {{.*}} {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>}
// MARK: ptq.integer_linear %{{.*}}, %{{.*}} x_zero_points %[[Z]], {{.*}}layer = "d", {{.*}}weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>
#stats = #ptq.statistics<tokens = 9, absmax = dense<[1.0, 127.0, 0.5, 2.0]> : tensor<4xf32>, mean_abs = dense<0.5> : tensor<4xf32>>
#scaled = #ptq.statistics<tokens = 9, absmax = dense<[1.0, 254.0, 0.5, 2.0]> : tensor<4xf32>, mean_abs = dense<0.5> : tensor<4xf32>>
func.func @main(%x: tensor<?x3x4xf32> {ptq.input = "x"})
    -> (tensor<?x3x2xf32>, tensor<?x3x1xf32>, tensor<?x3x1xf32>, tensor<?x3x1xf32>, tensor<1x2xf32>) {
  // The rows' scales are 0.1 and 1; -126.5 rounds to even.
  %a = arith.constant {ptq.key = "a.weight"} dense<[[-2.6, 0.2, 7.6, 12.7], [32.0, 127.0, -126.5, -127.0]]> : tensor<2x4xf32>
  %b = arith.constant {ptq.key = "b.weight"} dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %bias = arith.constant {ptq.key = "b.bias"} dense<[0.5]> : tensor<1xf32>
  %c = arith.constant {ptq.key = "c.weight"} dense<[[4.0, 3.0, 2.0, 1.0]]> : tensor<1x4xf32>
  %d = arith.constant {ptq.key = "d.weight"} dense<[[1.0, -2.0]]> : tensor<1x2xf32>
  %k = arith.constant dense<[1.0, 20.0, 1.0, 1.0]> : tensor<4xf32>
  %0 = ptq.linear %x, %a {layer = "a", statistics = #stats, ptq.input_scale = "folded"} : (tensor<?x3x4xf32>, tensor<2x4xf32>) -> tensor<?x3x2xf32>
  %1 = ptq.linear %x, %b bias %bias {layer = "b", statistics = #stats} : (tensor<?x3x4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<?x3x1xf32>
  %scaled = ptq.scale_channels %x, %k : (tensor<?x3x4xf32>, tensor<4xf32>) -> tensor<?x3x4xf32>
  %2 = ptq.linear %scaled, %c {layer = "c", statistics = #scaled} : (tensor<?x3x4xf32>, tensor<1x4xf32>) -> tensor<?x3x1xf32>
  %3 = ptq.linear %0, %d {layer = "d", weight_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>,
                          activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>} : (tensor<?x3x2xf32>, tensor<1x2xf32>) -> tensor<?x3x1xf32>
  return %0, %1, %2, %3, %d : tensor<?x3x2xf32>, tensor<?x3x1xf32>, tensor<?x3x1xf32>, tensor<?x3x1xf32>, tensor<1x2xf32>
}
