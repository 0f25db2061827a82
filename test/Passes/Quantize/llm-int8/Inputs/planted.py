# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""planted.py WEIGHTS OUTLIERS REPORT PARAMETERS: the channels of each norm that the two checkpoints scale differently are
among the outlier columns that --llm-int8 has found of the layer behind it, or that layer is in float altogether."""
import array
import json
import struct
import sys


def tensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    result = {}
    for name, entry in header.items():
        if entry.get("dtype") in ("F32", "I32"):
            begin, end = entry["data_offsets"]
            result[name] = array.array("f" if entry["dtype"] == "F32" else "i", data[begin:end])
    return result


plain, outliers, parameters = tensors(sys.argv[1]), tensors(sys.argv[2]), tensors(sys.argv[4])
layers = {layer["name"]: layer for layer in json.load(open(sys.argv[3]))["layers"]}
norms = 0
for name, weight in plain.items():
    if not name.endswith(("input_layernorm.weight", "post_attention_layernorm.weight")):
        continue
    planted = {k for k, (a, b) in enumerate(zip(weight, outliers[name])) if abs(b / a - 1) > 0.5}
    assert len(planted) == 3, (name, planted)
    follower = name.replace("input_layernorm.weight", "self_attn.q_proj") if "input_" in name else \
        name.replace("post_attention_layernorm.weight", "mlp.gate_proj")
    if layers[follower]["status"] == "skipped":
        assert layers[follower]["reason"] == "llm-int8: all its columns are outliers", layers[follower]
    else:
        found = set(parameters[follower + ".outlier_columns"])
        assert planted <= found, (name, planted, found)
        assert len(found) == layers[follower]["outlier_columns"], layers[follower]
    norms += 1
print(f"{norms} norms, all planted channels found")
