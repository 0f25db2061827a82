# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks GPTQ of tiny to 3 bits with 1 % sparse outliers against that without.

  check_sparse.py REPORT PLAIN_REPORT PARAMETERS FLOAT_PARAMETERS

The share is met exactly, rows are valid compressed rows, no layer is worse, and the report counts every byte.
"""
import json
import struct
import sys


def read(path):
    """The tensors of a safetensors file: (dtype, shape, bytes)."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in header.items()}


def integers(tensor):
    assert tensor[0] == "I32", tensor[0]
    return struct.unpack(f"<{len(tensor[2]) // 4}i", tensor[2])


report, plain = (json.load(open(path)) for path in sys.argv[1:3])
tensors, floats = read(sys.argv[3]), read(sys.argv[4])
layers = [l for l in report["layers"] if l["status"] == "raised"]
before = {l["name"]: l for l in plain["layers"]}
assert len(layers) == 28, len(layers)
for layer in layers:
    name, (rows, columns) = layer["name"], layer["shape"]
    count = rows * columns // 100
    assert layer["sparse_outliers"] == count / (rows * columns), layer
    assert "sparse_outliers" not in before[name], before[name]
    dtype, shape, values = tensors[name + ".weight_outliers"]
    assert dtype == "F16" and shape == [count], (name, dtype, shape)
    assert 0.0 not in struct.unpack(f"<{count}e", values), name
    offsets = integers(tensors[name + ".weight_outlier_offsets"])
    indices = integers(tensors[name + ".weight_outlier_columns"])
    assert len(offsets) == rows + 1 and offsets[0] == 0 and offsets[-1] == count == len(indices), name
    for first, last in zip(offsets, offsets[1:]):
        row = indices[first:last]
        assert list(row) == sorted(set(row)) and all(0 <= k < columns for k in row), (name, row)
    assert layer["error_rtn"] == before[name]["error_rtn"] and layer["error"] < before[name]["error"], (layer, before[name])
assert sum(l["error"] for l in layers) < 0.9 * sum(before[l["name"]]["error"] for l in layers)


def size(file):
    return sum(len(tensor[2]) for tensor in file.values())


# (float + rest) / (packed + rest), where the rest are the module's constants that are no parameters: a few scalars.
ratio = report["compression_ratio"]
rest = (size(floats) - ratio * size(tensors)) / (ratio - 1)
assert 0 <= rest < 1024, (ratio, size(floats), size(tensors))
assert ratio < plain["compression_ratio"]
