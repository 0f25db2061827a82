// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 5: ptq operations become something that runs elsewhere.

#ifndef PTQ_LOWER_PASSES_TD
#define PTQ_LOWER_PASSES_TD

include "mlir/Pass/PassBase.td"

def PTQToLinalg : Pass<"ptq-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lower ptq operations to linalg: the reference semantics";
  let description = [{
    Every ptq operation becomes operations of upstream dialects, which stock MLIR reads and runs. This lowering
    defines what the operations mean; it is made to be read, not to be fast. Packed integers are unpacked by
    shifts, weights are dequantized in float32, accumulation is in float32 at least. Integer layers
    multiply integers, in i32.

    Before:

    ```mlir
    %y = ptq.linear %x, %w bias %b : (tensor<4x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<4x32xf32>
    ```

    After:

    ```mlir
    %0 = linalg.matmul indexing_maps = [(m, n, k) -> (m, k), (m, n, k) -> (n, k), (m, n, k) -> (m, n)]
           ins(%x, %w : tensor<4x64xf32>, tensor<32x64xf32>) outs(%zero : tensor<4x32xf32>) -> tensor<4x32xf32>
    %y = linalg.generic … { arith.addf … } -> tensor<4x32xf32>
    ```
  }];
  let statistics = [Statistic<"numLowered", "ops-lowered", "ptq operations lowered">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def PTQToGpu : Pass<"ptq-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lower quantized linear layers to GPU kernels";
  let description = [{
    Every `ptq.integer_linear` with an int8 weight and every `ptq.weight_only_linear` with 4 or 8 bits becomes a
    launch of a tensor-core kernel, compiled to PTX, or by ptxas to a cubin, and kept in a `gpu.binary`. Layers of the
    same shape and types share a kernel. A kernel's tile is chosen for the chip and the number of rows by a bound on
    its time. Packed weights, their scales and zero points, are laid out anew for the kernel: they must be constants
    (`--load-parameters`). Float32 activations of weight-only layers are rounded to float16.

    Launches have buffers in row-major order as operands, then the number of rows; buffers are to be 16-byte aligned
    (`use-bare-pointers-for-kernels` in upstream's `gpu-to-llvm`). A layer that no kernel fits is left as it is, with a
    remark that says why.

    Before:

    ```mlir
    %y = ptq.integer_linear %q, %s, %w, %ws {…}
       : (tensor<256x4096xi8>, tensor<256xf32>, tensor<4096x4096xi8>, tensor<4096x1xf32>) -> tensor<256x4096xf16>
    ```

    After:

    ```mlir
    gpu.launch_func @ptq_kernels::@integer_linear_n4096_k4096_… blocks in (%c64, %c1, %c1) threads in (%c128, %c1, %c1)
      dynamic_shared_memory_size %c65536_i32 args(%q : memref<256x4096xi8>, …, %y : memref<256x4096xf16>, %c256 : i32)
    gpu.binary @ptq_kernels [#gpu.object<#nvvm.target<chip = "sm_80">, assembly = "…">]
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "The chip: sm_80, sm_86, sm_89 or sm_90a">,
    Option<"format", "format", "std::string", "\"ptx\"", "What the kernels become: ptx or cubin (needs ptxas)">];
  let statistics = [Statistic<"numLaunches", "launches", "Layers that became launches">,
                    Statistic<"numKernels", "kernels", "Kernels that they share">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def PTQToCpu : Pass<"ptq-to-cpu", "::mlir::ModuleOp"> {
  let summary = "Lower ptq operations to calls of the CPU runtime";
  let description = [{
    Linear layers, integer layers and the quantization of activations become calls of `libPTQRuntime.so`
    (`ptq/Runtime/Runtime.h`), which multiplies 8-bit integers with oneDNN and floats with BLAS. The functions are
    declared private, on tensors of dynamic shape, with `llvm.emit_c_interface`: upstream's passes bufferize and lower
    the rest, and whoever runs the result links the library. The integers are those of `--ptq-to-linalg`, bit for
    bit.

    Leading dimensions are merged around a call, floats of 16 bits widened before and rounded after it. What the
    runtime has no function for (float64, `ptq.dequantize`, scales per channel or per group of an activation, a selection of columns)
    becomes linalg, as in `--ptq-to-linalg`.

    Before:

    ```mlir
    %y = ptq.integer_linear %q, %s, %w, %ws {…}
       : (tensor<1x256x576xi8>, tensor<1x256xf32>, tensor<1536x576xi8>, tensor<1536x1xf32>) -> tensor<1x256x1536xf32>
    ```

    After:

    ```mlir
    func.func private @ptq_rt_integer_linear(tensor<?x?xi8> {bufferization.access = "read"}, …) -> tensor<?x?xf32>
      attributes {llvm.emit_c_interface}
    …
    %0 = tensor.collapse_shape %q [[0, 1], [2]] : tensor<1x256x576xi8> into tensor<256x576xi8>
    …
    %y = func.call @ptq_rt_integer_linear(%1, %2, %none, %3, %4, %none, %none, %none) : (…) -> tensor<?x?xf32>
    ```
  }];
  let statistics = [Statistic<"numCalls", "calls", "Operations that became calls">,
                    Statistic<"numLinalg", "linalg", "Operations that became linalg">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
