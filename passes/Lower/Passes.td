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
    Every `ptq.integer_linear` with an int8 weight and every `ptq.weight_only_linear` with 2, 3, 4 or 8 bits becomes a
    launch of a tensor-core kernel, compiled to PTX, or by ptxas to a cubin or a fat binary, and kept in a `gpu.binary`.
    Layers of the same shape and types share a kernel. A kernel's tile is chosen for the chip and the number of rows by a
    bound on its time (modelled, not measured): `explain` tells the choice and the runners-up in a remark on each layer.
    Where few rows and columns leave multiprocessors idle, several blocks share a tile (split-K): such a launch has two
    more operands, memory for sums and counters that are zero before and after. `ptq.dynamic_quantize` of tokens and
    `ptq.quantize` with scales of tokens or of the tensor become a kernel's launch as well: a warp or a block reads a row
    once and writes its codes. An RMSNorm or LayerNorm that nobody else reads is computed by the same kernel, if it is
    written as the kernel computes it, to the last bit. On sm_90a int8 layers with many rows multiply by wgmma. Packed weights, their scales and zero points, are laid out anew for the kernel: they must
    be constants (`--load-parameters`); `--shuffle-weights` does that for weights beforehand. Float32 activations of
    weight-only layers are rounded as `float32-activations` says, with a remark: to float16 (10 bits of fraction, up to 65504), to
    bfloat16 (7 bits, float32's range), or, with `keep`, such layers stay as they are.

    Launches have buffers in row-major order as operands, then the number of rows; buffers are to be 16-byte aligned
    (`use-bare-pointers-for-kernels` in upstream's `gpu-to-llvm`). A layer that no kernel fits is left as it is, with a
    remark that says why. Outlier columns (LLM.int8()) are multiplied in 16 bits, float32 ones rounded likewise; every
    `ptq.integer_batch_matmul` becomes one launch for its batch.

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
    ListOption<"chip", "chip", "std::string",
               "The chips, of sm_80 (default), sm_86, sm_89, sm_90a; tiles are chosen for the first, to fit on all">,
    Option<"format", "format", "std::string", "\"ptx\"",
           "What the kernels become: ptx, cubin (needs ptxas), or fatbin: machine code for all chips and PTX for later ones (needs ptxas and fatbinary)">,
    Option<"float32Activations", "float32-activations", "std::string", "\"f16\"",
           "What weight-only kernels get for float32 activations: f16, bf16, or keep: no kernel">,
    Option<"explain", "explain", "bool", "false",
           "A remark on each layer: its tile, the modelled time by term, and why not the others">];
  let statistics = [Statistic<"numLaunches", "launches", "Layers that became launches">,
                    Statistic<"numKernels", "kernels", "Kernels that they share">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def PTQModuleToGpu : Pass<"ptq-module-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lower a whole module to GPU kernels: --ptq-to-gpu, and the rest by upstream's passes";
  let description = [{
    `--ptq-to-gpu` and `--ptq-to-linalg`, then buffers, parallel loops of one thread for each point of a result in blocks
    of 128, kernels and their PTX in a `gpu.binary`. Mathematical functions become polynomials, as no device library is
    at hand. Functions that are left compute sizes, allocate, take views and launch: `quant-run --device` runs them.

    Kernels of `--ptq-to-gpu` take bare pointers; those of the rest take each buffer as upstream's descriptor (two
    pointers, the offset, sizes, strides).

    Before:

    ```mlir
    func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {
      %0 = linalg.generic … ins(%x : tensor<4x64xf32>) … { math.exp … }
    ```

    After:

    ```mlir
    func.func @main(%x: memref<4x64xf32>) -> memref<4x64xf32> {
      %0 = memref.alloc() : memref<4x64xf32>
      gpu.launch_func @module_kernels::@kernel_0 blocks in (%c2, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : …, %0 : …)
    ```
  }];
  let options = [Option<"chip", "chip", "std::string", "\"sm_80\"", "The chip: sm_80, sm_86, sm_89 or sm_90a">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def ShuffleWeights : Pass<"shuffle-weights", "::mlir::ModuleOp"> {
  let summary = "Put packed weights into the order of the GPU kernels, so that saved parameters have it";
  let description = [{
    The constant weight of every `ptq.weight_only_linear` that `--ptq-to-gpu` has a kernel for is laid out as the kernel
    reads it: padded to multiples of 64, ready mma operands for each lane, the same for all chips. `--save-parameters` then
    writes it so, and a later `--ptq-to-gpu` has nothing left to do with it. Scales and zero points stay: what a kernel wants
    of them depends on the activations' type, and they are few.

    The module still says what it computes: a `linalg.generic`, marked `ptq.weight_layout`, makes the packed weight of
    the new constant. The executor, `--ptq-to-linalg` and `--ptq-to-cpu` run it as any other, if more slowly;
    `--ptq-to-gpu` takes the constant itself.

    ```
    quant-opt model.mlir --load-parameters=file=model.safetensors --gptq="bits=4 group-size=128" --shuffle-weights --save-parameters=file=q.safetensors -o q.mlir
    quant-opt q.mlir --load-parameters=file=q.safetensors --ptq-to-gpu=chip=sm_80
    ```

    Layers that no kernel fits are left as they are, with a remark that says why.

    Before:

    ```mlir
    %w = arith.constant {ptq.key = "fc.weight_packed"} dense_resource<…> : tensor<100x16xi32>
    %y = ptq.weight_only_linear %x, %w, %s {…} : (tensor<4x128xf16>, tensor<100x16xi32>, tensor<100x1xf16>) -> tensor<4x100xf16>
    ```

    After:

    ```mlir
    %q = arith.constant {ptq.key = "fc.weight_shuffled"} dense_resource<…> : tensor<2048xi32>
    %w = linalg.generic {…} outs(%empty : tensor<100x16xi32>) attrs = {ptq.weight_layout = "n64k16"} { … } -> tensor<100x16xi32>
    %y = ptq.weight_only_linear %x, %w, %s {…} : (tensor<4x128xf16>, tensor<100x16xi32>, tensor<100x1xf16>) -> tensor<4x100xf16>
    ```
  }];
  let statistics = [Statistic<"numShuffled", "weights-shuffled", "Weights laid out anew">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
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
