// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The names of special registers (PTX ISA 10).

#include "OperandDecoder.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;
using llvm::StringRef;

std::optional<std::pair<SpecialRegister, bool>> ptq::emulator::findSpecial(StringRef text) {
  using R = SpecialRegister;
  // The elements of a vector have two names each.
  std::string normal = text.str();
  if (size_t at = StringRef("rgba").find(text.back());
      at != StringRef::npos && text.drop_back().ends_with("."))
    normal.back() = "xyzw"[at];
  StringRef name = normal;
  auto found = llvm::StringSwitch<std::optional<R>>(name)
                   .Case("%tid.x", R::TidX)
                   .Case("%tid.y", R::TidY)
                   .Case("%tid.z", R::TidZ)
                   .Case("%ntid.x", R::NtidX)
                   .Case("%ntid.y", R::NtidY)
                   .Case("%ntid.z", R::NtidZ)
                   .Cases({"%ctaid.x", "%clusterid.x"}, R::CtaidX)
                   .Cases({"%ctaid.y", "%clusterid.y"}, R::CtaidY)
                   .Cases({"%ctaid.z", "%clusterid.z"}, R::CtaidZ)
                   .Cases({"%nctaid.x", "%nclusterid.x"}, R::NctaidX)
                   .Cases({"%nctaid.y", "%nclusterid.y"}, R::NctaidY)
                   .Cases({"%nctaid.z", "%nclusterid.z"}, R::NctaidZ)
                   .Case("%laneid", R::LaneId)
                   .Case("%warpid", R::WarpId)
                   .Case("%nwarpid", R::NwarpId)
                   .Case("%smid", R::SmId)
                   .Case("%nsmid", R::NsmId)
                   .Case("%gridid", R::GridId)
                   .Case("%lanemask_eq", R::LanemaskEq)
                   .Case("%lanemask_lt", R::LanemaskLt)
                   .Case("%lanemask_le", R::LanemaskLe)
                   .Case("%lanemask_gt", R::LanemaskGt)
                   .Case("%lanemask_ge", R::LanemaskGe)
                   .Cases({"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z"}, R::Zero)
                   .Case("%cluster_ctarank", R::Zero)
                   // The fourth element of each is unused and zero.
                   .Cases({"%tid.w", "%ntid.w", "%ctaid.w", "%nctaid.w"}, R::Zero)
                   .Cases({"%clusterid.w", "%nclusterid.w"}, R::Zero)
                   .Cases({"%cluster_ctaid.w", "%cluster_nctaid.w"}, R::Zero)
                   .Cases({"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z"}, R::One)
                   .Case("%cluster_nctarank", R::One)
                   .Case("%dynamic_smem_size", R::DynamicSharedSize)
                   .Case("%total_smem_size", R::TotalSharedSize)
                   .Case("%aggr_smem_size", R::AggregateSharedSize)
                   .Cases({"%reserved_smem_offset_begin", "%reserved_smem_offset_end"}, R::Zero)
                   .Cases({"%reserved_smem_offset_cap", "%reserved_smem_offset_0"}, R::Zero)
                   .Case("%reserved_smem_offset_1", R::Zero)
                   .Case("%clock", R::Clock)
                   .Case("%clock64", R::Clock64)
                   .Case("%globaltimer", R::GlobalTimer)
                   .Case("%globaltimer_lo", R::Clock)
                   .Cases({"%clock_hi", "%globaltimer_hi"}, R::ClockHigh)
                   .Cases({"%pm0", "%pm1", "%pm2", "%pm3", "%pm4", "%pm5", "%pm6", "%pm7"}, R::Zero)
                   .Default(std::nullopt);
  // %envreg0 to %envreg31: what the driver puts there, if it does.
  unsigned number;
  if (!found && name.consume_front("%envreg") && !name.getAsInteger(10, number) && number < 32)
    found = R::Zero;
  if (!found)
    return std::nullopt;
  bool wide = *found == R::Clock64 || *found == R::GlobalTimer;
  return std::make_pair(*found, wide);
}
