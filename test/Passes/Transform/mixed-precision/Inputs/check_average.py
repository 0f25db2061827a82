# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the bytes of two checkpoints' tensors, and counts the widths in a report.

  check_average.py MIXED.safetensors UNIFORM.safetensors REPORT.json
"""
import json
import struct
import sys


def data_bytes(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(t["data_offsets"][1] - t["data_offsets"][0] for name, t in header.items() if name != "__metadata__")


mixed, uniform = data_bytes(sys.argv[1]), data_bytes(sys.argv[2])
assert mixed <= uniform, (mixed, uniform)
assert mixed > 0.97 * uniform, f"the budget is not used: {mixed} of {uniform}"
layers = json.load(open(sys.argv[3]))["layers"]
widths = {layer["bits"] for layer in layers if layer["bits"]}
assert len(widths) > 1, widths
