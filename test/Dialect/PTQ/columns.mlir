// The operations on columns, layers with outlier columns and their mark: printing, folding, errors.
//
// RUN: split-file %s %t
// RUN: quant-opt %t/ops.mlir | quant-opt | FileCheck %t/ops.mlir
// RUN: quant-opt %t/ops.mlir --mlir-print-op-generic | quant-opt | FileCheck %t/ops.mlir
// RUN: quant-opt %t/fold.mlir --canonicalize | FileCheck %t/fold.mlir
// RUN: quant-opt %t/reify.mlir --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %t/reify.mlir
// RUN: quant-opt %t/invalid.mlir --split-input-file --verify-diagnostics

//--- ops.mlir
// CHECK-LABEL: func.func @columns
func.func @columns(%x: tensor<2x8xf16>, %q: tensor<4x?xi8>, %c: tensor<3xi32>, %d: tensor<?xi32>) {
  // CHECK: ptq.outlier_columns %{{.*}} {threshold = 6.000000e+00 : f64} : tensor<2x8xf16> -> tensor<?xi32>
  %0 = ptq.outlier_columns %x {threshold = 6.0 : f64} : tensor<2x8xf16> -> tensor<?xi32>
  // CHECK: ptq.outlier_columns %{{.*}} {threshold = 0x7FF0000000000000 : f64}
  %1 = ptq.outlier_columns %x {threshold = 0x7FF0000000000000 : f64} : tensor<2x8xf16> -> tensor<?xi32>
  // CHECK: ptq.select_columns %{{.*}}, %{{.*}} : (tensor<2x8xf16>, tensor<3xi32>) -> tensor<2x3xf16>
  %2 = ptq.select_columns %x, %c : (tensor<2x8xf16>, tensor<3xi32>) -> tensor<2x3xf16>
  // CHECK: ptq.drop_columns %{{.*}}, %{{.*}} : (tensor<4x?xi8>, tensor<?xi32>) -> tensor<4x?xi8>
  %3 = ptq.drop_columns %q, %d : (tensor<4x?xi8>, tensor<?xi32>) -> tensor<4x?xi8>
  // CHECK: ptq.clear_columns %{{.*}}, %{{.*}} : (tensor<2x8xf16>, tensor<?xi32>) -> tensor<2x8xf16>
  %4 = ptq.clear_columns %x, %d : (tensor<2x8xf16>, tensor<?xi32>) -> tensor<2x8xf16>
  return
}

// CHECK-LABEL: func.func @layer
func.func @layer(%x: tensor<2x8xi8>, %s: tensor<2xf32>, %w: tensor<4x8xi8>, %ws: tensor<4x1xf32>, %o: tensor<2x?xf16>, %wo: tensor<4x?xf16>,
                 %b: tensor<4xf32>, %f: tensor<2x8xf32>, %wf: tensor<4x8xf32>) {
  // CHECK: ptq.integer_linear %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} outliers %{{.*}}, %{{.*}} bias %{{.*}} {
  %0 = ptq.integer_linear %x, %s, %w, %ws outliers %o, %wo bias %b
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x8xi8>, tensor<2xf32>, tensor<4x8xi8>, tensor<4x1xf32>, tensor<2x?xf16>, tensor<4x?xf16>, tensor<4xf32>) -> tensor<2x4xf16>
  // CHECK: outliers = #ptq.outliers<threshold = 6.000000e+00 : f64, dynamic = false, dequantized = false, columns = [1, 7]>
  %1 = ptq.linear %f, %wf {outliers = #ptq.outliers<threshold = 6.0 : f64, dynamic = false, dequantized = false, columns = [1, 7]>}
       : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  // CHECK: outliers = #ptq.outliers<threshold = 6.000000e+00 : f64, dynamic = true, dequantized = true, columns = []>
  %2 = ptq.linear %f, %wf {outliers = #ptq.outliers<threshold = 6.0 : f64, dynamic = true, dequantized = true, columns = []>}
       : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  return
}

//--- fold.mlir
// Nothing is selected, dropped or cleared away; all columns are.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT: return %arg0, %arg0, %arg0
func.func @nothing(%x: tensor<2x3xf32>, %all: tensor<3xi32>, %none: tensor<0xi32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = ptq.select_columns %x, %all : (tensor<2x3xf32>, tensor<3xi32>) -> tensor<2x3xf32>
  %1 = ptq.drop_columns %x, %none : (tensor<2x3xf32>, tensor<0xi32>) -> tensor<2x3xf32>
  %2 = ptq.clear_columns %x, %none : (tensor<2x3xf32>, tensor<0xi32>) -> tensor<2x3xf32>
  return %0, %1, %2 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// As many columns as there may be are not known to be all.
// CHECK-LABEL: func.func @unknown
// CHECK: ptq.select_columns
// CHECK: ptq.drop_columns
func.func @unknown(%x: tensor<2x?xf32>, %c: tensor<?xi32>) -> (tensor<2x?xf32>, tensor<2x?xf32>) {
  %0 = ptq.select_columns %x, %c : (tensor<2x?xf32>, tensor<?xi32>) -> tensor<2x?xf32>
  %1 = ptq.drop_columns %x, %c : (tensor<2x?xf32>, tensor<?xi32>) -> tensor<2x?xf32>
  return %0, %1 : tensor<2x?xf32>, tensor<2x?xf32>
}

//--- reify.mlir
// CHECK-LABEL: func.func @widths
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[C:.*]]: tensor<?xi32>)
// CHECK-DAG: %[[O:.*]] = tensor.dim %[[C]], %c0
// CHECK-DAG: %[[D:.*]] = arith.subi %c8, %[[O]]
// CHECK-DAG: %[[T:.*]] = tensor.dim %[[X]], %c0
// CHECK: return %[[O]], %[[D]], %[[T]]
func.func @widths(%x: tensor<?x8xf32>, %c: tensor<?xi32>) -> (index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = ptq.select_columns %x, %c : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  %1 = ptq.drop_columns %x, %c : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  %2 = ptq.clear_columns %x, %c : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  %a = tensor.dim %0, %c1 : tensor<?x?xf32>
  %b = tensor.dim %1, %c1 : tensor<?x?xf32>
  %d = tensor.dim %2, %c0 : tensor<?x8xf32>
  return %a, %b, %d : index, index, index
}

//--- invalid.mlir
func.func @threshold(%x: tensor<2x8xf32>) {
  // expected-error @+1 {{the threshold must be greater than 0}}
  %0 = ptq.outlier_columns %x {threshold = 0.0 : f64} : tensor<2x8xf32> -> tensor<?xi32>
  return
}

// -----

func.func @scalar(%x: tensor<f32>) {
  // expected-error @+1 {{a scalar has no columns; use a tensor of rank 1}}
  %0 = ptq.outlier_columns %x {threshold = 1.0 : f64} : tensor<f32> -> tensor<?xi32>
  return
}

// -----

func.func @descending(%x: tensor<2x8xf32>) {
  %c = arith.constant dense<[3, 1]> : tensor<2xi32>
  // expected-error @+1 {{columns ascend from 0, but 1 follows 3}}
  %0 = ptq.select_columns %x, %c : (tensor<2x8xf32>, tensor<2xi32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @beyond(%x: tensor<2x8xf32>) {
  %c = arith.constant dense<[3, 8]> : tensor<2xi32>
  // expected-error @+1 {{names column 8 of 8}}
  %0 = ptq.clear_columns %x, %c : (tensor<2x8xf32>, tensor<2xi32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @many(%x: tensor<2x2xf32>, %c: tensor<3xi32>) {
  // expected-error @+1 {{names 3 columns of 2}}
  %0 = ptq.clear_columns %x, %c : (tensor<2x2xf32>, tensor<3xi32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @width(%x: tensor<2x8xf32>, %c: tensor<3xi32>) {
  // expected-error @+1 {{result must be of shape [2, 5], not 'tensor<2x4xf32>'}}
  %0 = ptq.drop_columns %x, %c : (tensor<2x8xf32>, tensor<3xi32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @type(%x: tensor<2x8xf32>, %c: tensor<3xi32>) {
  // expected-error @+1 {{result must have the operand's element type 'f32', but is 'tensor<2x3xf16>'}}
  %0 = ptq.select_columns %x, %c : (tensor<2x8xf32>, tensor<3xi32>) -> tensor<2x3xf16>
  return
}

// -----

func.func @tokens(%x: tensor<2x8xi8>, %s: tensor<2xf32>, %w: tensor<4x8xi8>, %ws: tensor<4x1xf32>, %o: tensor<3x1xf32>, %wo: tensor<4x1xf32>) {
  // expected-error @+1 {{outliers of the activation must be of shape [2, 1], not 'tensor<3x1xf32>'}}
  %0 = ptq.integer_linear %x, %s, %w, %ws outliers %o, %wo
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x8xi8>, tensor<2xf32>, tensor<4x8xi8>, tensor<4x1xf32>, tensor<3x1xf32>, tensor<4x1xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @rows(%x: tensor<2x8xi8>, %s: tensor<2xf32>, %w: tensor<4x8xi8>, %ws: tensor<4x1xf32>, %o: tensor<2x1xf32>, %wo: tensor<5x1xf32>) {
  // expected-error @+1 {{outliers of the weight must be of shape [4, 1], not 'tensor<5x1xf32>'}}
  %0 = ptq.integer_linear %x, %s, %w, %ws outliers %o, %wo
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<2x8xi8>, tensor<2xf32>, tensor<4x8xi8>, tensor<4x1xf32>, tensor<2x1xf32>, tensor<5x1xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @half(%x: tensor<2x8xi8>, %s: tensor<2xf32>, %w: tensor<4x8xi8>, %ws: tensor<4x1xf32>, %o: tensor<2x1xf32>) {
  // expected-error @+1 {{outliers are of the activation and of the weight, both}}
  %0 = "ptq.integer_linear"(%x, %s, %w, %ws, %o)
         <{activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>,
           operandSegmentSizes = array<i32: 1, 1, 0, 1, 1, 1, 0, 0>}>
       : (tensor<2x8xi8>, tensor<2xf32>, tensor<4x8xi8>, tensor<4x1xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @mark(%x: tensor<2x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{has 8 input channels, but outliers name column 8}}
  %0 = ptq.linear %x, %w {outliers = #ptq.outliers<threshold = 6.0 : f64, dynamic = false, dequantized = false, columns = [8]>}
       : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  return
}

// -----

// expected-error @+1 {{the threshold of outliers is greater than 0, not -1.0}}
func.func private @negative() attributes {a = #ptq.outliers<threshold = -1.0 : f64, dynamic = false, dequantized = false, columns = [8]>}

// -----

// expected-error @+1 {{the columns of outliers ascend from 0, but 3 follows 3}}
func.func private @twice() attributes {a = #ptq.outliers<threshold = 1.0 : f64, dynamic = false, dequantized = false, columns = [3, 3]>}
