// RUN: not quant-opt %s --ptq-to-gpu=chip=sm_12 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not quant-opt %s --ptq-to-gpu=format=elf 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: quant-opt %s --ptq-to-gpu | FileCheck %s
//
// CHIP: error: --ptq-to-gpu knows no chip 'sm_12'; it knows sm_80, sm_86, sm_89, sm_90a
// FORMAT: error: --ptq-to-gpu writes no format 'elf'; it writes ptx, cubin and fatbin
//
// Nothing to do, nothing done.
// CHECK: module {
// CHECK-NOT: gpu.
func.func @empty() { return }
