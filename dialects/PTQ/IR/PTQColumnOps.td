// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations of the ptq dialect that split an activation by its columns (its channels): what LLM.int8() takes out
// of an integer product and multiplies in floats. Included by PTQOps.td.

#ifndef PTQ_COLUMN_OPS_TD
#define PTQ_COLUMN_OPS_TD

def PTQ_ColumnIndices : 1DTensorOf<[I32]>;
def PTQ_ColumnTensor : RankedTensorOf<[F16, BF16, F32, F64, I8, I32]>;

def PTQ_OutlierColumnsOp : PTQ_Op<"outlier_columns"> {
  let summary = "the columns with a value beyond a threshold";
  let description = [{
    The indices `k`, ascending, of the columns (the last dimension) in which any `|x[…, k]| ≥ threshold`. A NaN
    counts as beyond it. How many there are is known at run time only. The threshold is positive; infinity names the
    columns with an infinity or a NaN.

    Source: Dettmers et al., LLM.int8(), 2022, section 3.2.

    Example:

    ```mlir
    %columns = ptq.outlier_columns %x {threshold = 6.0 : f64} : tensor<1x256x576xf32> -> tensor<?xi32>
    ```
  }];
  let arguments = (ins PTQ_FloatTensor:$x, F64Attr:$threshold);
  let results = (outs PTQ_ColumnIndices:$columns);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($columns)";
  let hasVerifier = 1;
}

def PTQ_SelectColumnsOp : PTQ_Op<"select_columns",
    [DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "some columns, in the order they are named";
  let description = [{
    `y[…, j] = x[…, columns[j]]`. `columns` are distinct, ascending and in the range of the last dimension; constant
    ones are verified, others are the program's promise.

    Example:

    ```mlir
    %y = ptq.select_columns %x, %columns : (tensor<1x256x576xf32>, tensor<3xi32>) -> tensor<1x256x3xf32>
    ```
  }];
  let arguments = (ins PTQ_ColumnTensor:$x, PTQ_ColumnIndices:$columns);
  let results = (outs PTQ_ColumnTensor:$y);
  let assemblyFormat = "$x `,` $columns attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_DropColumnsOp : PTQ_Op<"drop_columns",
    [DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "all columns but some: the complement of select_columns";
  let description = [{
    The columns of `x` that `columns` does not name, in their order. `select_columns` behind `drop_columns` is a
    permutation of `x` whose tail is dense. `columns` is as in `ptq.select_columns`.

    Example:

    ```mlir
    %y = ptq.drop_columns %x, %columns : (tensor<1x256x576xf32>, tensor<3xi32>) -> tensor<1x256x573xf32>
    ```
  }];
  let arguments = (ins PTQ_ColumnTensor:$x, PTQ_ColumnIndices:$columns);
  let results = (outs PTQ_ColumnTensor:$y);
  let assemblyFormat = "$x `,` $columns attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PTQ_ClearColumnsOp : PTQ_Op<"clear_columns", [
    AllTypesMatch<["x", "y"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "zeros in some columns: the complement of select_columns, in place";
  let description = [{
    `y[…, k]` is 0 where `columns` names `k`, else `x[…, k]`. Unlike `ptq.drop_columns` it keeps the width, so that
    columns found at run time need no other weight. `columns` is as in `ptq.select_columns`.

    Example:

    ```mlir
    %y = ptq.clear_columns %x, %columns : (tensor<1x256x576xf32>, tensor<?xi32>) -> tensor<1x256x576xf32>
    ```
  }];
  let arguments = (ins PTQ_ColumnTensor:$x, PTQ_ColumnIndices:$columns);
  let results = (outs PTQ_ColumnTensor:$y);
  let assemblyFormat = "$x `,` $columns attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif
