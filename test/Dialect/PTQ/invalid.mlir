// Every message of the verifiers and parsers.
//
// RUN: quant-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{a scheme has 2 to 8 bits, not 1}}
func.func private @f() attributes {a = #ptq.scheme<bits = 1, symmetric, per_tensor>}

// -----

// expected-error @+1 {{a scheme has 2 to 8 bits, not 9}}
func.func private @f() attributes {a = #ptq.scheme<bits = 9, symmetric, per_tensor>}

// -----

// expected-error @+1 {{a group has at least one element, not 0}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_group(0)>}

// -----

// expected-error @+1 {{a group has at least one element, not -1}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_group(-1)>}

// -----

// expected-error @+1 {{expected symmetric or asymmetric, found 'lopsided'}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, lopsided, per_tensor>}

// -----

// expected-error @+1 {{expected per_tensor, per_channel, per_token or per_group, found 'per_row'}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_row>}

// -----

// expected-error @+1 {{expected '('}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_group>}

// -----

// expected-error @+1 {{expected '>'}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_channel(4)>}

// -----

// expected-error @+1 {{expected 'dynamic'}}
func.func private @f() attributes {a = #ptq.scheme<bits = 4, symmetric, per_tensor, static>}

// -----

// expected-error @+1 {{expected 'bits'}}
func.func private @f() attributes {a = #ptq.scheme<4, symmetric, per_tensor>}

// -----

// expected-error @+1 {{statistics are of at least one token, not 0}}
func.func private @f() attributes {a = #ptq.statistics<tokens = 0, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>>}

// -----

// expected-error @+1 {{absmax and mean_abs are float32 vectors of the same length, not 'tensor<2xf32>' and 'tensor<3xf32>'}}
func.func private @f() attributes {a = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<3xf32>>}

// -----

// expected-error @+1 {{absmax and mean_abs are float32 vectors of the same length, not 'tensor<2xf16>' and 'tensor<2xf16>'}}
func.func private @f() attributes {a = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf16>, mean_abs = dense<1.0> : tensor<2xf16>>}

// -----

// expected-error @+1 {{absmax and mean_abs are float32 vectors of the same length, not 'tensor<1x2xf32>' and 'tensor<1x2xf32>'}}
func.func private @f() attributes {a = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<1x2xf32>, mean_abs = dense<1.0> : tensor<1x2xf32>>}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<?x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op weight must have a static shape [out, in], but is 'tensor<?x8xf32>'}}
  %0 = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<?x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op statistics are of 2 channels, but the input has 8}}
  %0 = ptq.linear %x, %w {statistics = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>>} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<f32>, %w: tensor<16x8xf32>) -> tensor<16xf32> {
  // expected-error @+1 {{'ptq.linear' op input must have a last dimension of input channels, but is a scalar}}
  %0 = ptq.linear %x, %w : (tensor<f32>, tensor<16x8xf32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}

// -----

func.func @f(%x: tensor<4x7xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op input has 7 channels in its last dimension, but the weight takes 8}}
  %0 = ptq.linear %x, %w : (tensor<4x7xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.linear' op result must be the input's shape with 16 output channels in its last dimension, but is 'tensor<4x8xf32>'}}
  %0 = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<2x2x16xf32> {
  // expected-error @+1 {{'ptq.linear' op result must be the input's shape with 16 output channels}}
  %0 = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<2x2x16xf32>
  return %0 : tensor<2x2x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>, %b: tensor<8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op bias has 8 elements, but there are 16 output channels}}
  %0 = ptq.linear %x, %w bias %b : (tensor<4x8xf32>, tensor<16x8xf32>, tensor<8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op operand #0 must be ranked tensor of}}
  %0 = ptq.linear %x, %w : (tensor<4x8xi8>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<1x16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op operand #1 must be 2D tensor of}}
  %0 = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<1x16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x64xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op result must be the input's shape with 32 output channels in its last dimension, but is 'tensor<4x64xf32>'}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x64xf32>
  return %0 : tensor<4x64xf32>
}

// -----

func.func @f(%x: tensor<f32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op input must have a last dimension of input channels, but is a scalar}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<f32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>, %b: tensor<64xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op bias has 64 elements, but there are 32 output channels}}
  %0 = ptq.weight_only_linear %x, %q, %s bias %b {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>, tensor<64xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x?xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op the numbers of input and output channels must be static}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x?xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<?x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op the numbers of input and output channels must be static}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<?x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x6xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op weight must have 8 words a row for 64 codes of 4 bits, but has 6}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x6xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x50xf32>, %q: tensor<32x4xi32>, %s: tensor<32x1xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op weight must have 5 words a row for 50 codes of 3 bits, but has 4}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
     : (tensor<4x50xf32>, tensor<32x4xi32>, tensor<32x1xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x1xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op a weight is quantized per_tensor, per_channel or per_group, not per_token}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_token>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x1xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x1xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op a weight's scales are known: its scheme cannot be dynamic}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel, dynamic>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x1xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op group size 48 does not divide the 64 input channels}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(48)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x4xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op scales must be of shape [32, 2], not 'tensor<32x4xf32>'}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x4xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op scales must be of shape [32, 1], not 'tensor<32x2xf32>'}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x1xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op scales must be of shape [1, 1], not 'tensor<32x1xf32>'}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_tensor>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x1xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>, %z: tensor<32x2xi8>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op a symmetric scheme has no zero points}}
  %0 = ptq.weight_only_linear %x, %q, %s zero_points %z {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>, tensor<32x2xi8>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op an asymmetric scheme needs zero points}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>, %z: tensor<32x1xi8>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op zero points must be of shape [32, 2], not 'tensor<32x1xi8>'}}
  %0 = ptq.weight_only_linear %x, %q, %s zero_points %z {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>, tensor<32x1xi8>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>, %i: tensor<32xi32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op group_index must have an element for each of the 64 input channels, but is 'tensor<32xi32>'}}
  %0 = ptq.weight_only_linear %x, %q, %s group_index %i {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>, tensor<32xi32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<f32>, %s: tensor<1xf32>) -> tensor<i8> {
  // expected-error @+1 {{'ptq.quantize' op a scalar has no channels; use a tensor of rank 1}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<f32>, tensor<1xf32>) -> tensor<i8>
  return %0 : tensor<i8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<1xf32>) -> tensor<4x8xi4> {
  // expected-error @+1 {{'ptq.quantize' op integers of 8 bits do not fit in 'i4'}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<4x8xf32>, tensor<1xf32>) -> tensor<4x8xi4>
  return %0 : tensor<4x8xi4>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<4x2xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op group size 3 does not divide the last dimension, 8}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_group(3)>}
     : (tensor<4x8xf32>, tensor<4x2xf32>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<2xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op scales must be of shape [1], not 'tensor<2xf32>'}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>}
     : (tensor<4x8xf32>, tensor<2xf32>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op scales must be of shape [4], not 'tensor<8xf32>'}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<2x4x8xf32>, %s: tensor<2xf32>) -> tensor<2x4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op scales must be of shape [2, 4], not 'tensor<2xf32>'}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
     : (tensor<2x4x8xf32>, tensor<2xf32>) -> tensor<2x4x8xi8>
  return %0 : tensor<2x4x8xi8>
}

// -----

func.func @f(%x: tensor<?x8xf32>, %s: tensor<?x4xf32>) -> tensor<?x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op scales must be of shape [?, 2], not 'tensor<?x4xf32>'}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>}
     : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xi8>
  return %0 : tensor<?x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<4xf32>, %z: tensor<4xi8>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op a symmetric scheme has no zero points}}
  %0 = ptq.quantize %x, %s zero_points %z {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<4xf32>, tensor<4xi8>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<4xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op an asymmetric scheme needs zero points}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, asymmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<4xf32>, %z: tensor<8xi8>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op zero points must have the scales' shape}}
  %0 = ptq.quantize %x, %s zero_points %z {scheme = #ptq.scheme<bits = 8, asymmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<4xf32>, tensor<8xi8>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<4xf32>) -> tensor<4x4xi8> {
  // expected-error @+1 {{'ptq.quantize' op failed to verify that all of {x, q} have same shape}}
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x4xi8>
  return %0 : tensor<4x4xi8>
}

// -----

func.func @f(%q: tensor<4x8xi8>, %s: tensor<4x2xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.dequantize' op group size 3 does not divide the last dimension, 8}}
  %0 = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_group(3)>}
     : (tensor<4x8xi8>, tensor<4x2xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%q: tensor<4x8xi8>, %s: tensor<8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.dequantize' op scales must be of shape [4], not 'tensor<8xf32>'}}
  %0 = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x8xi8>, tensor<8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%q: tensor<4x8xi8>, %s: tensor<4xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.dequantize' op an asymmetric scheme needs zero points}}
  %0 = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 8, asymmetric, per_channel>}
     : (tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%q: tensor<4x8xi4>, %s: tensor<4xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.dequantize' op integers of 5 bits do not fit in 'i4'}}
  %0 = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 5, symmetric, per_channel>}
     : (tensor<4x8xi4>, tensor<4xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<4x64xf32>, %q: tensor<32x8xi32>, %s: tensor<32x2xf32>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'ptq.weight_only_linear' op statistics are of 2 channels, but the input has 64}}
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>, statistics = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>>}
     : (tensor<4x64xf32>, tensor<32x8xi32>, tensor<32x2xf32>) -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.observe' op statistics are of 2 channels, but the input has 8}}
  %0 = ptq.observe "x" %x {statistics = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>>} : tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{'ptq.observe' op a scalar has no channels; use a tensor of rank 1}}
  %0 = ptq.observe "x" %x : tensor<f32>
  return %0 : tensor<f32>
}

// -----

// expected-error @+1 {{divisor is a float32 vector of absmax's length, not 'tensor<3xf32>'}}
func.func private @f() attributes {a = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>, divisor = dense<1.0> : tensor<3xf32>>}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op clip must be float32 of shape [16, groups] with a number of groups that divides the 8 input channels, but is 'tensor<3x2xf32>'}}
  %0 = ptq.linear %x, %w {clip = dense<1.0> : tensor<3x2xf32>} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op clip must be float32 of shape [16, groups] with a number of groups that divides the 8 input channels, but is 'tensor<16x3xf32>'}}
  %0 = ptq.linear %x, %w {clip = dense<1.0> : tensor<16x3xf32>} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op clip must be float32 of shape [16, groups] with a number of groups that divides the 8 input channels, but is 'tensor<16x2xf16>'}}
  %0 = ptq.linear %x, %w {clip = dense<1.0> : tensor<16x2xf16>} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.linear' op clip must be float32 of shape [16, groups] with a number of groups that divides the 8 input channels, but is 'tensor<16xf32>'}}
  %0 = ptq.linear %x, %w {clip = dense<1.0> : tensor<16xf32>} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %c: tensor<4xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.scale_channels' op there are 4 channel scales, but the last dimension has 8 channels}}
  %0 = ptq.scale_channels %x, %c : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<f32>, %c: tensor<4xf32>) -> tensor<f32> {
  // expected-error @+1 {{'ptq.scale_channels' op a scalar has no channels; use a tensor of rank 1}}
  %0 = ptq.scale_channels %x, %c : (tensor<f32>, tensor<4xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %s: tensor<1xf32>, %c: tensor<4xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.quantize' op there are 4 channel scales, but the last dimension has 8 channels}}
  %0 = ptq.quantize %x, %s channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4x8xf32>, tensor<1xf32>, tensor<4xf32>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op computes its scales at run time: its scheme must be dynamic}}
  %0, %1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token>} : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<4xf32>)
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op computes scales per_token or per_tensor, not per_group}}
  %0, %1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_group(4), dynamic>} : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<4x2xf32>)
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi4> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op integers of 8 bits do not fit in 'i4'}}
  %0, %1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<4x8xf32>) -> (tensor<4x8xi4>, tensor<4xf32>)
  return %0 : tensor<4x8xi4>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op scales must be of shape [4], not 'tensor<1xf32>'}}
  %0, %1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<1xf32>)
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op an asymmetric scheme needs zero points}}
  %0, %1 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>} : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<4xf32>)
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xi8> {
  // expected-error @+1 {{'ptq.dynamic_quantize' op a symmetric scheme has no zero points}}
  %0, %1, %2 = ptq.dynamic_quantize %x {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>} : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<4xf32>, tensor<4xi8>)
  return %0 : tensor<4x8xi8>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op result must be the input's shape with 16 output channels in its last dimension, but is 'tensor<4x8xf32>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<4x?xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op the numbers of input and output channels must be static}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x?xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>, %b: tensor<8xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op bias has 8 elements, but there are 16 output channels}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws bias %b {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>, tensor<8xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op statistics are of 2 channels, but the input has 8}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>, statistics = #ptq.statistics<tokens = 1, absmax = dense<1.0> : tensor<2xf32>, mean_abs = dense<1.0> : tensor<2xf32>>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op a weight is quantized per_tensor, per_channel or per_group, not per_token}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_token>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op a weight's scales are known: its scheme cannot be dynamic}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel, dynamic>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op the weight of an integer layer has no zero points: its scheme must be symmetric}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, asymmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op group size 3 does not divide the 8 input channels}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(3)>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x7xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op weight of 8 bits must be 16x8 integers of 8 bits, but is 'tensor<16x7xi8>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x7xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x2xi32>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op weight of 8 bits must be 16x8 integers of 8 bits, but is 'tensor<16x2xi32>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x2xi32>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op weight of 4 bits must be 16x1 words of 32 bits, but is 'tensor<16x8xi8>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 4, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<1x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op weight scales must be of shape [16, 1], not 'tensor<1x1xf32>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<1x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op weight scales must be of shape [16, 2], not 'tensor<16x1xf32>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<4xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op an activation is quantized per_token or per_tensor, not per_channel}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<4xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op activation scales must be of shape [4], not 'tensor<1xf32>'}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %z: tensor<1xi8>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op a symmetric scheme has no zero points}}
  %0 = ptq.integer_linear %x, %xs x_zero_points %z, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<1xi8>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %xs: tensor<1xf32>, %z: tensor<4xi8>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op zero points must have the scales' shape}}
  %0 = ptq.integer_linear %x, %xs x_zero_points %z, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x8xi8>, tensor<1xf32>, tensor<4xi8>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x131072xi8>, %xs: tensor<1xf32>, %w: tensor<16x131072xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op sums of 131072 products overflow 32 bits; at most 131071 of these integers can be summed exactly}}
  %0 = ptq.integer_linear %x, %xs, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x131072xi8>, tensor<1xf32>, tensor<16x131072xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%x: tensor<4x65794xi8>, %xs: tensor<1xf32>, %z: tensor<1xi8>, %w: tensor<16x65794xi8>, %ws: tensor<16x1xf32>) -> tensor<4x16xf32> {
  // expected-error @+1 {{'ptq.integer_linear' op sums of 65794 products overflow 32 bits; at most 65793 of these integers can be summed exactly}}
  %0 = ptq.integer_linear %x, %xs x_zero_points %z, %w, %ws {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>} : (tensor<4x65794xi8>, tensor<1xf32>, tensor<1xi8>, tensor<16x65794xi8>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

func.func @f(%a: tensor<8xi8>, %s: tensor<1xf32>, %b: tensor<8xi8>, %t: tensor<1xf32>) -> tensor<1xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op operands must be matrices, or batches of them, of the same rank, but are 'tensor<8xi8>' and 'tensor<8xi8>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<8xi8>, tensor<1xf32>, tensor<8xi8>, tensor<1xf32>) -> tensor<1xf32>
  return %0 : tensor<1xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<2x4xf32>, %b: tensor<5x8xi8>, %t: tensor<2x5xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op operands must be matrices, or batches of them, of the same rank, but are 'tensor<2x4x8xi8>' and 'tensor<5x8xi8>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<5x8xi8>, tensor<2x5xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<2x4xf32>, %b: tensor<3x5x8xi8>, %t: tensor<2x5xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op operands must have the same batch dimensions, but are 'tensor<2x4x8xi8>' and 'tensor<3x5x8xi8>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<3x5x8xi8>, tensor<2x5xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<2x4xf32>, %b: tensor<2x5x7xi8>, %t: tensor<2x5xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op operands must have the same last dimension, but are 'tensor<2x4x8xi8>' and 'tensor<2x5x7xi8>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<2x5x7xi8>, tensor<2x5xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<2x4xf32>, %b: tensor<2x5x8xi8>, %t: tensor<2x5xf32>) -> tensor<2x5x4xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op result must be of shape [2, 4, 5], not 'tensor<2x5x4xf32>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<2x5x8xi8>, tensor<2x5xf32>) -> tensor<2x5x4xf32>
  return %0 : tensor<2x5x4xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<4xf32>, %b: tensor<2x5x8xi8>, %t: tensor<2x5xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op scales of a must be of shape [2, 4], not 'tensor<4xf32>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<4xf32>, tensor<2x5x8xi8>, tensor<2x5xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// -----

func.func @f(%a: tensor<2x4x8xi8>, %s: tensor<2x4xf32>, %b: tensor<2x5x8xi8>, %t: tensor<2xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op scales of b must be of shape [2, 5], not 'tensor<2xf32>'}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x8xi8>, tensor<2x4xf32>, tensor<2x5x8xi8>, tensor<2xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}

// -----

func.func @f(%a: tensor<2x4x131072xi8>, %s: tensor<2x4xf32>, %b: tensor<2x5x131072xi8>, %t: tensor<2x5xf32>) -> tensor<2x4x5xf32> {
  // expected-error @+1 {{'ptq.integer_batch_matmul' op sums of 131072 products overflow 32 bits}}
  %0 = ptq.integer_batch_matmul %a, %s, %b, %t : (tensor<2x4x131072xi8>, tensor<2x4xf32>, tensor<2x5x131072xi8>, tensor<2x5xf32>) -> tensor<2x4x5xf32>
  return %0 : tensor<2x4x5xf32>
}
