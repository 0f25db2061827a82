#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks a report's rows of embedding tables and its compression ratio against the files before and after.

  check_report.py REPORT QUANTIZED ORIGINAL
"""
import json
import struct
import sys


def read_header(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    return header


def size(header):
    return sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values())


report, quantized, original = json.load(open(sys.argv[1])), read_header(sys.argv[2]), read_header(sys.argv[3])
assert report["embeddings"]
for table in report["embeddings"]:
    name, bits, (rows, width) = table["name"], table["bits"], table["shape"]
    assert original[name + ".weight"]["shape"] == [rows, width], name
    candidates = {key: entry for key, entry in quantized.items() if key.startswith(name + ".weight")}
    shape = [rows, width] if bits == 8 else [rows, -(-width * bits // 32)]
    assert any(entry["shape"] == shape and entry["dtype"] == ("I8" if bits == 8 else "I32") for entry in candidates.values()), name
    assert any(entry["shape"] == [rows] and entry["dtype"] == "F32" for entry in candidates.values()), name
    assert 0 < table["error"] < 0.02 and table["seconds"] >= 0, table
# Constants that are not of the checkpoint, a mask say, are saved too.
extra = size({key: entry for key, entry in quantized.items() if key.startswith("constant") or key.startswith("torch_tensor")})
ratio = (size(original) + extra) / size(quantized)
assert abs(report["compression_ratio"] - ratio) < 1e-3 * ratio, (report["compression_ratio"], ratio)
print(len(report["embeddings"]), "tables,", report["compression_ratio"])
