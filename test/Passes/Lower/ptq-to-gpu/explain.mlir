// Why a layer has its tile.
//
// RUN: quant-opt %s "--ptq-to-gpu=chip=sm_86 explain" -o /dev/null 2>&1 | FileCheck %s
// RUN: quant-opt %s "--ptq-to-gpu=chip=sm_90a explain" 2>&1 | FileCheck %s --check-prefix=HOPPER
// RUN: quant-opt %s "--ptq-to-gpu=chip=sm_86" -o /dev/null 2>&1 | FileCheck %s --check-prefix=SILENT --allow-empty
//
// CHECK: remark: layer 'a' on sm_86 (A10), m=4096 n=4096 k=4096: tile [[TILE:[0-9]+x[0-9]+x[0-9]+, warps [0-9]+x[0-9]+x1, [0-9]+ stages]]
// CHECK-NEXT: modelled {{[0-9.]+}} us, {{[0-9.]+}} of the roofline bound of {{[0-9.]+}} us; limited by mma;
// CHECK-NEXT: modelled cycles: max(mma {{[0-9]+}}, issue {{[0-9]+}}, alu {{[0-9]+}}, shared {{[0-9]+}}, l2 {{[0-9]+}}, dram {{[0-9]+}}) + prologue
// CHECK-NOT: not tile [[TILE]]:
// CHECK-COUNT-5: not tile {{.*}}: modelled {{[0-9.]+}} us, {{.+}}
// CHECK-NEXT: and {{[0-9]+}} others, modelled
//
// CHECK: remark: 'ptq.integer_batch_matmul' on sm_86 (A10), m=64 n=64 k=64: tile
// HOPPER: layer 'a' on sm_90a (H100 SXM), m=4096 n=4096 k=4096: tile 128x256x128, warps 8x1x1, 4 stages, wgmma
// HOPPER: .visible .entry integer_linear_n4096_k4096_128x256x128_8x1_s4_{{.*}}_wgmma
// SILENT-NOT: remark
func.func @layers(%q: tensor<4096x4096xi8>, %s: tensor<4096xf32>, %w: tensor<4096x4096xi8>, %ws: tensor<4096x1xf32>,
                  %a: tensor<2x64x64xi8>, %as: tensor<2x64xf32>) -> (tensor<4096x4096xf16>, tensor<2x64x64xf32>) {
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
       : (tensor<4096x4096xi8>, tensor<4096xf32>, tensor<4096x4096xi8>, tensor<4096x1xf32>) -> tensor<4096x4096xf16>
  %z = ptq.integer_batch_matmul %a, %as, %a, %as
     : (tensor<2x64x64xi8>, tensor<2x64xf32>, tensor<2x64x64xi8>, tensor<2x64xf32>) -> tensor<2x64x64xf32>
  return %y, %z : tensor<4096x4096xf16>, tensor<2x64x64xf32>
}
