// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is made of a layer's input block by block, so that it is the same whether one process has
// all blocks of samples or several have some. All of this is collective (Communicator.h).

#ifndef PTQ_CALIBRATE_BLOCKEDINPUT_H
#define PTQ_CALIBRATE_BLOCKEDINPUT_H

#include "ptq/Execution/Executor.h"
#include "ptq/Statistics/ActivationStatistics.h"

#include <string>
#include <vector>

namespace ptq {

/// How many blocks samples are divided into, and so how many processes they can be spread over at
/// most: the environment's PTQ_SAMPLE_BLOCKS, from 1, the default, to 1024. Results depend on it in
/// their last bits, and not on how many processes there are. Error: anything else.
llvm::Expected<int64_t> maxSampleBlocks();

/// The Gram matrix of an input of all processes, as [in, in] of which the upper triangle is to be
/// read: the blocks' matrices added up in the order of BlockSum.h, some rows at a time.
llvm::Error computeGram(const execution::ObservedInput &input, std::vector<float> &gram);

/// The statistics of an input of all processes: the blocks' in order. Error: a NaN or infinity.
llvm::Expected<statistics::StatisticsAccumulator>
accumulateStatistics(const execution::ObservedInput &input);

/// Identifies the contents of an input of all processes.
llvm::Expected<std::string> hashInput(const execution::ObservedInput &input);

} // namespace ptq

#endif
