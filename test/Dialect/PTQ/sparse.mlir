// The sparse part of ptq.weight_only_linear: its form, that an empty one folds away, and what the verifier declines.
//
// RUN: quant-opt %s -split-input-file -verify-diagnostics -verify-roundtrip | FileCheck %s
// RUN: quant-opt %s -split-input-file -verify-diagnostics --canonicalize | FileCheck %s --check-prefix=FOLD

#g = #ptq.scheme<bits = 4, symmetric, per_channel>

// CHECK-LABEL: @sparse
// CHECK: ptq.weight_only_linear %{{.*}}, %{{.*}}, %{{.*}} sparse(%{{.*}}, %{{.*}}, %{{.*}}) bias %{{.*}} {scheme =
// CHECK-SAME: tensor<3xi32>, tensor<5xi32>, tensor<5xbf16>, tensor<2xf32>) -> tensor<4x2xf32>
// FOLD-LABEL: @sparse
// FOLD: sparse(
func.func @sparse(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<3xi32>, %c: tensor<5xi32>,
                  %v: tensor<5xbf16>, %b: tensor<2xf32>) -> tensor<4x2xf32> {
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) bias %b {scheme = #g}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<3xi32>, tensor<5xi32>, tensor<5xbf16>, tensor<2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// Beside all other operands; the bias of zeros goes with the empty part, or without it.
// CHECK-LABEL: @empty
// CHECK: zero_points %{{.*}} group_index %{{.*}} sparse(%{{.*}}, %{{.*}}, %{{.*}}) bias
// FOLD-LABEL: @empty
// FOLD-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[Q:.*]]: tensor<2x1xi32>, %[[S:.*]]: tensor<2x2xf32>, %[[Z:.*]]: tensor<2x2xi8>, %[[I:.*]]: tensor<8xi32>
// FOLD-NEXT: ptq.weight_only_linear %[[X]], %[[Q]], %[[S]] zero_points %[[Z]] group_index %[[I]] {scheme =
// FOLD-SAME: : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x2xf32>, tensor<2x2xi8>, tensor<8xi32>) ->
// FOLD-NEXT: return
func.func @empty(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x2xf32>, %z: tensor<2x2xi8>, %i: tensor<8xi32>,
                 %o: tensor<3xi32>, %c: tensor<0xi32>, %v: tensor<0xf16>) -> tensor<4x2xf32> {
  %b = arith.constant dense<0.0> : tensor<2xf32>
  %y = ptq.weight_only_linear %x, %q, %s zero_points %z group_index %i sparse(%o, %c, %v) bias %b
         {scheme = #ptq.scheme<bits = 4, asymmetric, per_group(4)>}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x2xf32>, tensor<2x2xi8>, tensor<8xi32>, tensor<3xi32>, tensor<0xi32>, tensor<0xf16>, tensor<2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// FOLD-LABEL: @zero_bias
// FOLD: ptq.weight_only_linear %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} sparse(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}) {scheme
func.func @zero_bias(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<3xi32>, %c: tensor<5xi32>,
                     %v: tensor<5xf32>) -> tensor<4x2xf32> {
  %b = arith.constant dense<0.0> : tensor<2xf32>
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) bias %b {scheme = #g}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<3xi32>, tensor<5xi32>, tensor<5xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

func.func @offsets(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<2xi32>, %c: tensor<5xi32>, %v: tensor<5xf16>) {
  // expected-error @+1 {{row offsets must be of shape [3], not 'tensor<2xi32>'}}
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<2xi32>, tensor<5xi32>, tensor<5xf16>) -> tensor<4x2xf32>
  return
}

// -----

func.func @values(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<3xi32>, %c: tensor<5xi32>, %v: tensor<4xf16>) {
  // expected-error @+1 {{the sparse part has 5 columns for 4 values}}
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<3xi32>, tensor<5xi32>, tensor<4xf16>) -> tensor<4x2xf32>
  return
}

// -----

func.func @dynamic(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<3xi32>, %c: tensor<?xi32>, %v: tensor<?xf16>) {
  // expected-error @+1 {{the number of values of the sparse part must be static}}
  %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<3xi32>, tensor<?xi32>, tensor<?xf16>) -> tensor<4x2xf32>
  return
}

// -----

// In the generic form parts can be missing.
func.func @parts(%x: tensor<4x8xf32>, %q: tensor<2x1xi32>, %s: tensor<2x1xf32>, %o: tensor<3xi32>, %c: tensor<5xi32>) {
  // expected-error @+1 {{a sparse part has row offsets, columns and values, all three}}
  %y = "ptq.weight_only_linear"(%x, %q, %s, %o, %c)
         <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1, 1, 0, 0>, scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}>
     : (tensor<4x8xf32>, tensor<2x1xi32>, tensor<2x1xf32>, tensor<3xi32>, tensor<5xi32>) -> tensor<4x2xf32>
  return
}
