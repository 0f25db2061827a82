// What each operation becomes, and that nothing but upstream dialects is left.
//
// RUN: quant-opt %s --ptq-to-linalg | FileCheck %s --implicit-check-not=ptq.
// RUN: quant-opt %s --ptq-to-linalg | mlir-opt | FileCheck %s
// RUN: quant-opt %s --ptq-to-linalg --verify-roundtrip -o /dev/null

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[W:.*]]: tensor<16x8xf32>)
// CHECK: %[[Z:.*]] = linalg.fill
// CHECK: %[[Y:.*]] = linalg.matmul indexing_maps = [#{{.*}}, #{{.*}}, #{{.*}}] ins(%[[X]], %[[W]] : tensor<4x8xf32>, tensor<16x8xf32>) outs(%[[Z]] : tensor<4x16xf32>)
// CHECK-NEXT: return %[[Y]]
func.func @linear(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<4x16xf32> {
  %y = ptq.linear %x, %w {layer = "fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// Leading dimensions are merged, dynamic ones too; 16 bits accumulate in float32, and are rounded once, after the bias.
// CHECK-LABEL: func.func @dynamic
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1], [2]] : tensor<?x?x8xf16> into tensor<?x8xf16>
// CHECK: linalg.matmul {{.*}} outs({{.*}} : tensor<?x16xf32>)
// CHECK: linalg.generic
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: arith.addf %{{.*}} : f32
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: tensor.expand_shape {{.*}} : tensor<?x16xf16> into tensor<?x?x16xf16>
func.func @dynamic(%x: tensor<?x?x8xf16>, %w: tensor<16x8xf16>, %b: tensor<16xf16>) -> tensor<?x?x16xf16> {
  %y = ptq.linear %x, %w bias %b : (tensor<?x?x8xf16>, tensor<16x8xf16>, tensor<16xf16>) -> tensor<?x?x16xf16>
  return %y : tensor<?x?x16xf16>
}

// CHECK-LABEL: func.func @vector
// CHECK: linalg.matvec
func.func @vector(%x: tensor<8xf64>, %w: tensor<16x8xf32>) -> tensor<16xf64> {
  %y = ptq.linear %x, %w : (tensor<8xf64>, tensor<16x8xf32>) -> tensor<16xf64>
  return %y : tensor<16xf64>
}

// A result type that says less than the lowering knows gets a cast.
// CHECK-LABEL: func.func @less_static
// CHECK: tensor.cast %{{.*}} : tensor<4x16xf32> to tensor<?x?xf32>
func.func @less_static(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) -> tensor<?x?xf32> {
  %y = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// Codes of 4 bits never span two words, codes of 3 bits do.
// CHECK-LABEL: func.func @four_bits
// CHECK-COUNT-1: arith.shrui
// CHECK-NOT: arith.shli
// CHECK: arith.sitofp
func.func @four_bits(%x: tensor<4x8xf32>, %q: tensor<16x1xi32>, %s: tensor<16x1xf32>) -> tensor<4x16xf32> {
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<16x1xi32>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// CHECK-LABEL: func.func @three_bits
// CHECK: arith.shrui
// CHECK: arith.shli
func.func @three_bits(%x: tensor<4x16xf32>, %q: tensor<16x2xi32>, %s: tensor<16x1xf32>) -> tensor<4x16xf32> {
  %y = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 3, symmetric, per_channel>}
     : (tensor<4x16xf32>, tensor<16x2xi32>, tensor<16x1xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// Groups are a dimension of their own, of a dynamic row too.
// CHECK-LABEL: func.func @quantize
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] {{.*}} : tensor<?x?xf32> into tensor<?x?x4xf32>
// CHECK: math.roundeven
// CHECK: arith.fptosi
// CHECK: tensor.collapse_shape
func.func @quantize(%x: tensor<?x?xf32>, %s: tensor<?x?xf32>) -> tensor<?x?xi8> {
  %q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_group(4)>} : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi8>
  return %q : tensor<?x?xi8>
}

// CHECK-LABEL: func.func @dequantize
// CHECK: arith.sitofp %{{.*}} : i4 to f32
// CHECK: arith.mulf
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @dequantize(%q: tensor<4x8xi4>, %s: tensor<4xf32>) -> tensor<4x8xbf16> {
  %x = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>} : (tensor<4x8xi4>, tensor<4xf32>) -> tensor<4x8xbf16>
  return %x : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @observe
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @observe(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = ptq.observe "x" %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
