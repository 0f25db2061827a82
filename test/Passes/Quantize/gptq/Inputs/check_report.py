# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks a report on tiny, rounded to 3 bits by GPTQ."""
import json
import sys

report = json.load(open(sys.argv[1]))
layers = report["layers"]
assert len(layers) == 29, len(layers)
head = layers.pop()
assert head["name"] == "lm_head" and head["status"] == "skipped" and "head" in head["reason"], head
for layer in layers:
    assert layer["status"] == "raised" and layer["method"] == "gptq" and layer["bits"] == 3, layer
    assert layer["group_size"] == 64 and layer["scheme"] == "int3 symmetric per_group", layer
    assert layer["seconds"] > 0, layer
    # The reference implementation's margin over rounding to nearest on such layers; a broken update has none.
    assert 0 < layer["error"] < 0.75 * layer["error_rtn"], layer
assert sum(l["error"] for l in layers) < 0.4 * sum(l["error_rtn"] for l in layers)
assert layers[0]["shape"] == [256, 256] and layers[1]["shape"] == [64, 256]
# 28 layers of 3 bits in groups of 64 with float32 scales: 3.5 bits a weight; embedding, head and norms in float.
assert 5.5 < report["compression_ratio"] < 8, report["compression_ratio"]
