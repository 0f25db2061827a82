// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codebooks: tables whose entries are the values that codes stand for, each computed from its
// definition. Entries ascend and lie in [-1, 1]; a block of values divided by its absmax is
// rounded to them.
//
// NF4, the 4-bit NormalFloat of QLoRA (Dettmers et al., 2023, section 3 and appendix E): quantiles
// of N(0, 1), so that normally distributed values use all codes alike. With Q the normal
// distribution's quantile function, d = ((1 - 1/30) + (1 - 1/32)) / 2 and probabilities evenly
// spaced from d to 1/2,
//     positive   Q(d), ..., of 9 probabilities, the last of which gives 0;
//     negative   -Q(d), ..., of 8 probabilities, the last of which gives 0 again;
// all divided by Q(d): 8 positive entries, an exact zero and 7 negative ones, from -1 to 1.

#ifndef PTQ_NUMERICS_CODEBOOK_H
#define PTQ_NUMERICS_CODEBOOK_H

#include "ptq/Numerics/WeightScheme.h"
#include "llvm/ADT/ArrayRef.h"
#include <vector>

namespace ptq::numerics {

/// The quantile function of N(0, 1): the x with P(X <= x) = p, for 0 < p < 1.
double normalQuantile(double p);

/// The entries of a weight's codebook, 2^bits of them, ascending; empty for Codebook::Uniform. The
/// signed code q stands for entry q + 2^(bits-1).
llvm::ArrayRef<float> codebookEntries(Codebook codebook);

/// The midpoints of neighbouring entries, rounded down to floats: as x > midpoints[i] for a float x
/// says exactly whether x is nearer to entry i + 1 than to entry i.
std::vector<float> computeMidpoints(llvm::ArrayRef<float> entries);

/// The midpoints of codebookEntries().
llvm::ArrayRef<float> codebookMidpoints(Codebook codebook);

/// The index of the entry next to x; of two as near the lower one. A NaN takes the first.
int64_t nearestEntry(llvm::ArrayRef<float> midpoints, float x);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_CODEBOOK_H
