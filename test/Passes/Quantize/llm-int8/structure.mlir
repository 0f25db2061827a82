// What --llm-int8 marks, what rounding makes of it, and its limits.
//
// RUN: quant-opt %s --llm-int8 --mlir-print-ir-after=llm-int8 -o %t 2>&1 | FileCheck %s --check-prefix=MARKS
// RUN: quant-opt %s --llm-int8 2>/dev/null | FileCheck %s --check-prefix=STATIC
// RUN: quant-opt %s --llm-int8=dynamic=true 2>/dev/null | FileCheck %s --check-prefix=DYNAMIC
// RUN: quant-opt %s --llm-int8=outlier-weights=dequantized 2>/dev/null | FileCheck %s --check-prefix=ROUNDED
// RUN: quant-opt %s --llm-int8="dynamic=true outlier-weights=dequantized" 2>/dev/null | FileCheck %s --check-prefix=BOTH
// RUN: quant-opt %s --llm-int8=threshold=0 2>/dev/null | FileCheck %s --check-prefix=NONE
// RUN: quant-opt %s --llm-int8=threshold=inf 2>/dev/null | FileCheck %s --check-prefix=ALL
// RUN: quant-opt %s --llm-int8=skip=b --rtn="skip=b" 2>/dev/null | FileCheck %s --check-prefix=SKIP
// RUN: quant-opt %s --llm-int8 --write-report=file=%t.json -o %t 2>/dev/null
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json
// RUN: not quant-opt %s --llm-int8=threshold=-1 -o %t 2>&1 | FileCheck %s --check-prefix=THRESHOLD
// RUN: not quant-opt %s --llm-int8=threshold=nan -o %t 2>&1 | FileCheck %s --check-prefix=THRESHOLD
// RUN: not quant-opt %s --llm-int8=outlier-weights=half -o %t 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not quant-opt %s --llm-int8=only=free -o %t 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not quant-opt %s --llm-int8=outlier-weights=dequantized --rtn="bits=4 group-size=-1" -o %t 2>&1 | FileCheck %s --check-prefix=PACKED

// MARKS: remark: llm-int8: 4 layers, 6 outlier columns in 3 of them, 35.00 % of the multiply-adds in float
// MARKS: module attributes {ptq.pending_rounding}
// MARKS: ptq.linear {{.*}} {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a", outliers = #ptq.outliers<threshold = 6.000000e+00 : f64, dynamic = false, dequantized = false, columns = [1]>, {{.*}}weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
// MARKS: layer = "all", ptq.keep_float = "llm-int8: all its columns are outliers"

// a and b share all that is done to x.
// STATIC-NOT: ptq.pending_rounding
// STATIC: %[[C:.*]] = arith.constant {ptq.key = "a.outlier_columns"} dense<1> : tensor<1xi32>
// STATIC: %[[R:.*]] = ptq.drop_columns %arg0, %[[C]] : (tensor<3x4xf16>, tensor<1xi32>) -> tensor<3x3xf16>
// STATIC: %[[O:.*]] = ptq.select_columns %arg0, %[[C]] : (tensor<3x4xf16>, tensor<1xi32>) -> tensor<3x1xf16>
// STATIC: %[[Q:.*]], %[[S:.*]] = ptq.dynamic_quantize %[[R]]
// The original weights of column 1, in the model's type.
// STATIC: %[[WO:.*]] = arith.constant {ptq.key = "a.weight_outliers"} dense_resource<a.weight_outliers> : tensor<2x1xf16>
// STATIC: arith.constant {ptq.key = "a.weight"} dense_resource<a.weight> : tensor<2x3xi8>
// STATIC: ptq.integer_linear %[[Q]], %[[S]], %{{.*}}, %{{.*}} outliers %[[O]], %[[WO]] {{.*}}layer = "a"
// STATIC-NOT: ptq.drop_columns
// STATIC: ptq.integer_linear %[[Q]], %[[S]], %{{.*}}, %{{.*}} outliers %[[O]], %{{.*}} bias %{{.*}} {{.*}}layer = "b"
// No outliers: no column operations.
// STATIC: ptq.integer_linear %{{[^o]*}} {activation_scheme = {{.*}}layer = "c"
// STATIC: ptq.linear {{.*}}layer = "all"
// The greatest weights of a without column 1 are 4 and -2: codes 32, 95, 127 and 64, -64, -127; 2.0 and 7.0 as f16.
// STATIC: a.weight_outliers: "0x0100000000400047"
// STATIC: a.weight: "0x01000000205F7F40C081"

// DYNAMIC: %[[C:.*]] = ptq.outlier_columns %arg0 {threshold = 6.000000e+00 : f64} : tensor<3x4xf16> -> tensor<?xi32>
// DYNAMIC: %[[R:.*]] = ptq.clear_columns %arg0, %[[C]]
// DYNAMIC: %[[O:.*]] = ptq.select_columns %arg0, %[[C]] : (tensor<3x4xf16>, tensor<?xi32>) -> tensor<3x?xf16>
// DYNAMIC: %[[WO:.*]] = ptq.select_columns %{{.*}}, %[[C]] : (tensor<2x4xf16>, tensor<?xi32>) -> tensor<2x?xf16>
// DYNAMIC: ptq.integer_linear {{.*}} outliers %[[O]], %[[WO]] {{.*}}layer = "a"
// DYNAMIC-NOT: ptq.outlier_columns
// DYNAMIC: layer = "b"

// ROUNDED: arith.constant {ptq.key = "a.weight_outliers"} dense_resource<a.weight_outliers> : tensor<2x1xf16>
// ROUNDED: tensor<2x3xi8>

// BOTH: %[[C:.*]] = ptq.outlier_columns
// BOTH: %[[W:.*]] = arith.constant {ptq.key = "a.weight"} {{.*}} : tensor<2x4xi8>
// BOTH: %[[S:.*]] = tensor.collapse_shape
// BOTH: %[[I:.*]] = ptq.select_columns %[[W]], %[[C]] : (tensor<2x4xi8>, tensor<?xi32>) -> tensor<2x?xi8>
// BOTH: ptq.dequantize %[[I]], %[[S]] {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}

// NONE-NOT: columns
// NONE: ptq.integer_linear {{.*}}layer = "a"

// ALL: ptq.linear {{.*}}layer = "a", ptq.keep_float = "llm-int8: all its columns are in float with threshold=inf"

// SKIP: ptq.integer_linear {{.*}}layer = "a"
// SKIP: ptq.linear {{.*}}layer = "b"

// REPORT: "name": "a"
// REPORT: "outlier_columns": 1
// REPORT: "share_16bit": 0.25

// THRESHOLD: error: llm-int8: threshold is 0, for no outliers, or more, inf for nothing but outliers; not
// WEIGHTS: error: llm-int8: outlier-weights is original or dequantized, not 'half'
// STATISTICS: error: llm-int8: layer 'free' has no statistics; run --calibrate="data=F" or --load-statistics="file=F" before, or find outliers in each call with dynamic=true
// PACKED: error: rtn: layer 'a': outlier-weights=dequantized takes columns out of the rounded weight, which needs 8 bits with a scale for each row; give bits=8 group-size=-1, or outlier-weights=original
#stats = #ptq.statistics<tokens = 9, absmax = dense<[1.0, 6.0, 5.9, 2.0]> : tensor<4xf32>, mean_abs = dense<0.5> : tensor<4xf32>>
#small = #ptq.statistics<tokens = 9, absmax = dense<1.0> : tensor<4xf32>, mean_abs = dense<0.5> : tensor<4xf32>>
#large = #ptq.statistics<tokens = 9, absmax = dense<7.0> : tensor<4xf32>, mean_abs = dense<0.5> : tensor<4xf32>>
func.func @main(%x: tensor<3x4xf16> {ptq.input = "x"}, %z: tensor<3x4xf16> {ptq.input = "z"}) -> (tensor<3x2xf16>, tensor<3x1xf16>, tensor<3x1xf16>, tensor<3x1xf16>, tensor<3x1xf16>) {
  %a = arith.constant {ptq.key = "a.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 7.0, -1.0, -2.0]]> : tensor<2x4xf16>
  %b = arith.constant {ptq.key = "b.weight"} dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf16>
  %bias = arith.constant {ptq.key = "b.bias"} dense<[0.5]> : tensor<1xf16>
  %0 = ptq.linear %x, %a {layer = "a", statistics = #stats} : (tensor<3x4xf16>, tensor<2x4xf16>) -> tensor<3x2xf16>
  %1 = ptq.linear %x, %b bias %bias {layer = "b", statistics = #stats} : (tensor<3x4xf16>, tensor<1x4xf16>, tensor<1xf16>) -> tensor<3x1xf16>
  %2 = ptq.linear %z, %b {layer = "c", statistics = #small} : (tensor<3x4xf16>, tensor<1x4xf16>) -> tensor<3x1xf16>
  %3 = ptq.linear %z, %b {layer = "all", statistics = #large} : (tensor<3x4xf16>, tensor<1x4xf16>) -> tensor<3x1xf16>
  %4 = ptq.linear %z, %b {layer = "free"} : (tensor<3x4xf16>, tensor<1x4xf16>) -> tensor<3x1xf16>
  %5 = math.tanh %0 : tensor<3x2xf16>
  %6 = math.tanh %1 : tensor<3x1xf16>
  %7 = math.tanh %2 : tensor<3x1xf16>
  %8 = math.tanh %3 : tensor<3x1xf16>
  return %5, %6, %7, %8, %4 : tensor<3x2xf16>, tensor<3x1xf16>, tensor<3x1xf16>, tensor<3x1xf16>, tensor<3x1xf16>
}
