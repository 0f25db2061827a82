# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks a report on tiny, rounded to NF4 by GPTQ."""
import json
import sys

report = json.load(open(sys.argv[1]))
layers = [layer for layer in report["layers"] if layer["status"] == "raised"]
assert len(layers) == 28, len(layers)
for layer in layers:
    assert layer["scheme"] == "nf4 per_group, scales int8" and layer["group_size"] == 64, layer
    assert layer["bits"] == 4 and layer["method"] == "gptq", layer
    assert 0 < layer["error"] < 0.8 * layer["error_rtn"], layer
assert sum(l["error"] for l in layers) < 0.4 * sum(l["error_rtn"] for l in layers)
