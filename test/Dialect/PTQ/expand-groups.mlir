// The form of ptq.expand_groups, and what its verifier declines.
//
// RUN: quant-opt %s -split-input-file -verify-diagnostics -verify-roundtrip | FileCheck %s

// CHECK-LABEL: @groups
// CHECK: ptq.expand_groups %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64} : (tensor<2x9xi32>, tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x72xi8>
func.func @groups(%c: tensor<2x9xi32>, %s: tensor<2x3xi8>, %z: tensor<2x3xi8>) -> tensor<2x72xi8> {
  %w = ptq.expand_groups %c, %s, %z {bits = 4} : (tensor<2x9xi32>, tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x72xi8>
  return %w : tensor<2x72xi8>
}

// -----

func.func @f(%c: tensor<2x18xi32>, %s: tensor<2x3xi8>) {
  // expected-error @+1 {{codes have 2 to 7 bits, not 8}}
  %w = ptq.expand_groups %c, %s, %s {bits = 8} : (tensor<2x18xi32>, tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x9xi32>, %s: tensor<2x?xi8>) {
  // expected-error @+1 {{result and scales must have static shapes, but are 'tensor<2x72xi8>' and 'tensor<2x?xi8>'}}
  %w = ptq.expand_groups %c, %s, %s {bits = 4} : (tensor<2x9xi32>, tensor<2x?xi8>, tensor<2x?xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x9xi32>, %s: tensor<2x5xi8>) {
  // expected-error @+1 {{5 groups do not divide the 72 columns}}
  %w = ptq.expand_groups %c, %s, %s {bits = 4} : (tensor<2x9xi32>, tensor<2x5xi8>, tensor<2x5xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x9xi32>, %s: tensor<2x0xi8>) {
  // expected-error @+1 {{0 groups do not divide the 72 columns}}
  %w = ptq.expand_groups %c, %s, %s {bits = 4} : (tensor<2x9xi32>, tensor<2x0xi8>, tensor<2x0xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x8xi32>, %s: tensor<2x3xi8>) {
  // expected-error @+1 {{codes must be of shape [2, 9], not 'tensor<2x8xi32>'}}
  %w = ptq.expand_groups %c, %s, %s {bits = 4} : (tensor<2x8xi32>, tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x9xi32>, %s: tensor<1x3xi8>) {
  // expected-error @+1 {{scales must be of shape [2, 3], not 'tensor<1x3xi8>'}}
  %w = ptq.expand_groups %c, %s, %s {bits = 4} : (tensor<2x9xi32>, tensor<1x3xi8>, tensor<1x3xi8>) -> tensor<2x72xi8>
  return
}

// -----

func.func @f(%c: tensor<2x9xi32>, %s: tensor<2x3xi8>, %z: tensor<2x1xi8>) {
  // expected-error @+1 {{failed to verify that all of {scales, zero_points} have same type}}
  %w = ptq.expand_groups %c, %s, %z {bits = 4} : (tensor<2x9xi32>, tensor<2x3xi8>, tensor<2x1xi8>) -> tensor<2x72xi8>
  return
}
