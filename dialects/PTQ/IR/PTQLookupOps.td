// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operation of the ptq dialect for codes that stand for the entries of a table (a codebook) rather than for
// integers. Included by PTQOps.td.

#ifndef PTQ_LOOKUP_OPS_TD
#define PTQ_LOOKUP_OPS_TD

def PTQ_LookupDequantizeOp : PTQ_Op<"lookup_dequantize"> {
  let summary = "packed codes to floats through a table";
  let description = [{
    `w[n, k] = table[c[n, k]]·s[n, k / group_size] + o`

    A row of `codes` is a dense stream of codes of `bits` bits, least significant bit first, in 32-bit words, as in
    `ptq.weight_only_linear` (the unsigned code is the index). `table` has `2^bits` entries, `scales` is
    `[rows, ceil(columns / group_size)]`: the last group of a row may be shorter. `offset`, one element, is 0 where it is
    absent. Computed in float32 (float64 if the result's type is), each operation rounded, then rounded to the result's
    type.

    With the NF4 table this is QLoRA's 4-bit NormalFloat (Dettmers et al., 2023, section 3); its double quantization is
    a second `ptq.lookup_dequantize` that makes the scales.

    Example:

    ```mlir
    %w = ptq.lookup_dequantize %codes, %table, %scales {bits = 4, group_size = 64}
       : (tensor<1536x72xi32>, tensor<16xf32>, tensor<1536x9xf32>) -> tensor<1536x576xf32>
    ```
  }];
  let arguments = (ins 2DTensorOf<[I32]>:$codes, PTQ_FloatVector:$table, PTQ_FloatMatrix:$scales,
                       Optional<PTQ_FloatVector>:$offset, I64Attr:$bits, I64Attr:$group_size);
  let results = (outs PTQ_FloatMatrix:$y);
  let assemblyFormat = [{
    $codes `,` $table `,` $scales (`offset` $offset^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif
