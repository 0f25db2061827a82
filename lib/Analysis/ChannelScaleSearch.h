// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The search for a set of scaled values on which everyone agrees.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALESEARCH_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALESEARCH_H

#include "ChannelScaleState.h"

namespace ptq::channel_scale {

/// Extends `start` to a state in which every operation that a scale reaches agrees with it, the
/// best that a bounded search finds: the one with the most independent scales, then the fewest
/// multiplications inserted, then the fewest scaled values. Nothing, with the reason of the first
/// attempt, if there is none.
std::optional<State> search(const State &start, bool allowInsertion, std::string &reason);

} // namespace ptq::channel_scale

#endif
