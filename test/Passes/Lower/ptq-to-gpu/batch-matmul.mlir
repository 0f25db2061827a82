// Batches of products: one launch, all leading dimensions a batch.
//
// RUN: quant-opt %s --ptq-to-gpu=chip=sm_80 --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @attention
// CHECK-SAME: (%[[A:.*]]: tensor<1x9x40x64xi8>, %[[AS:.*]]: tensor<1x9x40xf32>, %[[B:.*]]: tensor<1x9x56x64xi8>, %[[BS:.*]]: tensor<1xf16>
// CHECK-DAG: %[[M:.*]] = arith.constant 40 : i32
// CHECK-DAG: %[[N:.*]] = arith.constant 56 : i32
// CHECK-DAG: %[[K:.*]] = arith.constant 64 : i32
// CHECK-DAG: %[[Y:.*]] = memref.alloc() {alignment = 16 : i64} : memref<1x9x40x56xf16>
// CHECK: gpu.launch_func @ptq_kernels::@[[KERNEL:integer_batch_matmul_n56_k64_[a-z0-9_]+_f16_left_f32_token_right_f16]] blocks in (%c27, 
// CHECK-SAME: memref<1x9x40x64xi8>, {{.*}} memref<1x9x40xf32>, {{.*}} memref<1x9x56x64xi8>, {{.*}} memref<1xf16>, %[[Y]] : memref<1x9x40x56xf16>, %[[M]] : i32, %[[N]] : i32, %[[K]] : i32
// CHECK-NOT: ptq.integer
// CHECK: gpu.binary @ptq_kernels
// CHECK-SAME: .visible .entry [[KERNEL]](
func.func @attention(%a: tensor<1x9x40x64xi8>, %as: tensor<1x9x40xf32>, %b: tensor<1x9x56x64xi8>, %bs: tensor<1xf16>)
    -> tensor<1x9x40x56xf16> {
  %y = ptq.integer_batch_matmul %a, %as, %b, %bs
     : (tensor<1x9x40x64xi8>, tensor<1x9x40xf32>, tensor<1x9x56x64xi8>, tensor<1xf16>) -> tensor<1x9x40x56xf16>
  return %y : tensor<1x9x40x56xf16>
}

// -----

// Sizes that are not known are arguments.
// CHECK-LABEL: func.func @dynamic
// CHECK-SAME: (%[[A:.*]]: tensor<?x3x?x?xi8>, %{{.*}}: tensor<?x3x?xf32>, %[[B:.*]]: tensor<?x3x?x?xi8>
// CHECK-DAG: %[[BATCH:.*]] = tensor.dim %[[A]], %c0
// CHECK-DAG: %[[N:.*]] = tensor.dim %[[B]], %c2
// CHECK-DAG: %[[N32:.*]] = arith.index_cast %[[N]] : index to i32
// CHECK: memref.alloc(%{{.*}}, %{{.*}}, %[[N]]) {alignment = 16 : i64} : memref<?x3x?x?xf32>
// CHECK: gpu.launch_func @ptq_kernels::@integer_batch_matmul_n_dynamic_k_dynamic_{{[a-z0-9_]+}} blocks in
// CHECK-SAME: %[[N32]] : i32
// CHECK-NOT: ptq.integer
func.func @dynamic(%a: tensor<?x3x?x?xi8>, %as: tensor<?x3x?xf32>, %b: tensor<?x3x?x?xi8>, %bs: tensor<?x3x?xf32>)
    -> tensor<?x3x?x?xf32> {
  %y = ptq.integer_batch_matmul %a, %as, %b, %bs
     : (tensor<?x3x?x?xi8>, tensor<?x3x?xf32>, tensor<?x3x?x?xi8>, tensor<?x3x?xf32>) -> tensor<?x3x?x?xf32>
  return %y : tensor<?x3x?x?xf32>
}

// -----

// CHECK-LABEL: func.func @wide
// CHECK: ptq.integer_batch_matmul
// CHECK-NOT: gpu.binary
func.func @wide(%a: tensor<2x3x4xi8>, %s: tensor<1xf64>, %b: tensor<2x5x4xi8>) -> tensor<2x3x5xf64> {
  // expected-remark@+1 {{'ptq.integer_batch_matmul' is left as it is: its type is none of f16, bf16 and f32}}
  %y = ptq.integer_batch_matmul %a, %s, %b, %s
     : (tensor<2x3x4xi8>, tensor<1xf64>, tensor<2x5x4xi8>, tensor<1xf64>) -> tensor<2x3x5xf64>
  return %y : tensor<2x3x5xf64>
}
