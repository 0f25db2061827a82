// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounds a weight to 4 bits in groups of 32, to nearest and by GPTQ for inputs whose channels are
// correlated, and compares how much either changes the layer's output.

#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/GramFactor.h"
#include "ptq/Numerics/Rtn.h"

#include <cstdio>
#include <random>

using namespace ptq::numerics;

static int fail(llvm::Error error) {
  std::fprintf(stderr, "numerics: %s\n", toString(std::move(error)).c_str());
  return 1;
}

int main() {
  constexpr int64_t out = 64, in = 128, tokens = 512;
  std::mt19937 random(1);
  std::vector<float> weight(out * in), inputs(tokens * in), gram(in * in);
  auto uniform = [&] { return random() / 4294967296.0f - 0.5f; };
  for (float &w : weight)
    w = uniform();
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t c = 0; c < in; ++c)
      inputs[t * in + c] = uniform() + (c ? 0.9f * inputs[t * in + c - 1] : 0.0f);

  ConstMatrix w(weight.data(), out, in);
  MutableMatrix g(gram.data(), in, in);
  accumulateGram(ConstMatrix(inputs.data(), tokens, in), g);

  WeightScheme scheme;
  scheme.bits = 4;
  scheme.groupSize = 32;
  FactorOptions options;
  options.groupSize = scheme.groupSize;
  llvm::Expected<GramFactor> factor = factorGram(std::move(gram), in, options);
  if (!factor)
    return fail(factor.takeError());
  llvm::Expected<QuantizedWeight> nearest = quantizeRtn(w, scheme);
  if (!nearest)
    return fail(nearest.takeError());
  llvm::Expected<GptqResult> gptq = quantizeGptq(w, *factor, scheme);
  if (!gptq)
    return fail(gptq.takeError());
  std::printf("rtn %.6f gptq %.6f\n", relativeOutputError(w, *nearest, *factor),
              relativeOutputError(w, gptq->weight, *factor));
  return 0;
}
