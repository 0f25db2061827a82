// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A group of operations that one kernel evaluates: which loops they share, and how each reads the
// others' values.
//
#ifndef PTQ_LIB_EXECUTION_KERNELGRAPH_H
#define PTQ_LIB_EXECUTION_KERNELGRAPH_H

#include "LoopOp.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <vector>

namespace ptq::execution {

/// A loop nest of the kernel. Its accesses go to inputs of the group, constants, or values that
/// another stage writes; views in between are folded into the maps.
struct KernelStage : LoopOp {
  /// What is written, through the maps in `inits`; null where nobody reads it. The parts of a
  /// concatenation write the same value.
  llvm::SmallVector<mlir::Value> results;
};

struct KernelGraph {
  std::vector<KernelStage> stages;
  /// The outermost loops that all stages share: parallel, of equal bounds, and every value that
  /// passes between stages is indexed by exactly these loops first. At each point of these loops,
  /// the stages run one after the other.
  unsigned outerLoops = 0;
  /// Values written and read by stages, and wanted by nobody outside.
  llvm::SmallVector<mlir::Value> temporaries;

  /// Bytes of all temporaries, at one point of the outer loops.
  int64_t scratchBytes() const;

  /// Whether the graph can be one kernel: its temporaries, if there are any, are small at one point
  /// of shared loops.
  bool isExecutable() const;
};

/// The graph of `ops`, in order, where `escapes` says which results are wanted outside. Nothing if
/// one of them has no loop form.
std::optional<KernelGraph> buildKernelGraph(llvm::ArrayRef<mlir::Operation *> ops,
                                            llvm::function_ref<bool(mlir::Value)> escapes);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELGRAPH_H
