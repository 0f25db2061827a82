# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the bytes that the weights of 7x45 in FOLDER's files take, and what the report makes of them."""
import json
import pathlib
import struct
import sys

ROWS, COLUMNS = 7, 45
folder = pathlib.Path(sys.argv[1])


def stored(name):
    """The bytes of each parameter, by the last part of its name."""
    with open(folder / f"{name}.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    return {key.removeprefix("fc."): entry["data_offsets"][1] - entry["data_offsets"][0] for key, entry in header.items()}


def packed(rows, columns, bits):
    return rows * -(-columns * bits // 32) * 4


for bits in range(2, 9):
    expected = {"weight_packed": packed(ROWS, COLUMNS, bits), "weight_scale": ROWS * 4}
    assert stored(bits) == expected, (bits, stored(bits), expected)

scales = ROWS * COLUMNS // 9
expected = {
    "weight_packed": packed(ROWS, COLUMNS, 4),
    "weight_scale_packed": packed(1, scales, 8),
    "weight_scale_scale": 4,
    "weight_scale_mean": 4,
    "nf4_codebook": 16 * 4,
    "scale_codebook": 256 * 4,
}
assert stored("nf4") == expected, stored("nf4")
report = json.loads((folder / "nf4.json").read_text())
ratio = ROWS * COLUMNS * 4 / sum(expected.values())
assert abs(report["compression_ratio"] - ratio) < 1e-9 * ratio, (report["compression_ratio"], ratio)
layer = report["layers"][0]
assert (layer["scheme"], layer["bits"], layer["group_size"]) == ("nf4 per_group, scales int8", 4, 9), layer
