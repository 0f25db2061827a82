// The form of ptq.lookup_dequantize, and what its verifier declines.
//
// RUN: quant-opt %s -split-input-file -verify-diagnostics -verify-roundtrip | FileCheck %s

// CHECK-LABEL: @nf4
// CHECK: ptq.lookup_dequantize %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64, group_size = 64 : i64} : (tensor<2x9xi32>, tensor<16xf32>, tensor<2x2xf32>) -> tensor<2x72xf32>
func.func @nf4(%c: tensor<2x9xi32>, %t: tensor<16xf32>, %s: tensor<2x2xf32>) -> tensor<2x72xf32> {
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 4, group_size = 64}
     : (tensor<2x9xi32>, tensor<16xf32>, tensor<2x2xf32>) -> tensor<2x72xf32>
  return %w : tensor<2x72xf32>
}

// CHECK-LABEL: @offset
// CHECK: ptq.lookup_dequantize %{{.*}}, %{{.*}}, %{{.*}} offset %{{.*}} {bits = 3
func.func @offset(%c: tensor<1x4xi32>, %t: tensor<8xbf16>, %s: tensor<1x1xf16>, %o: tensor<1xf32>) -> tensor<1x41xf64> {
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 3, group_size = 1000}
     : (tensor<1x4xi32>, tensor<8xbf16>, tensor<1x1xf16>, tensor<1xf32>) -> tensor<1x41xf64>
  return %w : tensor<1x41xf64>
}

// -----

func.func @f(%c: tensor<1x1xi32>, %t: tensor<2xf32>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{codes have 2 to 8 bits, not 1}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 1, group_size = 4} : (tensor<1x1xi32>, tensor<2xf32>, tensor<1x1xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @f(%c: tensor<1x1xi32>, %t: tensor<16xf32>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{codes have 2 to 8 bits, not 68}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 68, group_size = 4} : (tensor<1x1xi32>, tensor<16xf32>, tensor<1x1xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @f(%c: tensor<1x1xi32>, %t: tensor<16xf32>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{a group has at least one column, not 0}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 4, group_size = 0} : (tensor<1x1xi32>, tensor<16xf32>, tensor<1x1xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @f(%c: tensor<1x1xi32>, %t: tensor<16xf32>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{result must have a static shape, but is 'tensor<1x?xf32>'}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 4, group_size = 4} : (tensor<1x1xi32>, tensor<16xf32>, tensor<1x1xf32>) -> tensor<1x?xf32>
  return
}

// -----

func.func @f(%c: tensor<2x5xi32>, %t: tensor<32xf32>, %s: tensor<2x1xf32>) {
  // expected-error @+1 {{codes must be of shape [2, 6], not 'tensor<2x5xi32>'}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 5, group_size = 33} : (tensor<2x5xi32>, tensor<32xf32>, tensor<2x1xf32>) -> tensor<2x33xf32>
  return
}

// -----

func.func @f(%c: tensor<2x6xi32>, %t: tensor<16xf32>, %s: tensor<2x1xf32>) {
  // expected-error @+1 {{table must be of shape [32], not 'tensor<16xf32>'}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 5, group_size = 33} : (tensor<2x6xi32>, tensor<16xf32>, tensor<2x1xf32>) -> tensor<2x33xf32>
  return
}

// -----

func.func @f(%c: tensor<2x6xi32>, %t: tensor<32xf32>, %s: tensor<2x2xf32>) {
  // expected-error @+1 {{scales must be of shape [2, 3], not 'tensor<2x2xf32>'}}
  %w = ptq.lookup_dequantize %c, %t, %s {bits = 5, group_size = 16} : (tensor<2x6xi32>, tensor<32xf32>, tensor<2x2xf32>) -> tensor<2x33xf32>
  return
}

// -----

func.func @f(%c: tensor<2x6xi32>, %t: tensor<32xf32>, %s: tensor<2x3xf32>, %o: tensor<2xf32>) {
  // expected-error @+1 {{offset must be of shape [1], not 'tensor<2xf32>'}}
  %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 5, group_size = 16} : (tensor<2x6xi32>, tensor<32xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x33xf32>
  return
}
