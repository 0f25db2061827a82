# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""rounded.py WEIGHTS FAKE: the weights that rounding went on with are the original ones in the outlier columns, and rounded,
each near its original, in all others."""
import array
import json
import struct
import sys


def load(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(size)), file.read()


def tensor(loaded, name):
    header, data = loaded
    begin, end = header[name]["data_offsets"]
    return header[name]["shape"], array.array({"F32": "f", "I32": "i"}[header[name]["dtype"]], data[begin:end])


weights, fake = load(sys.argv[1]), load(sys.argv[2])
layers = 0
for name in fake[0]:
    if not name.endswith(".outlier_columns"):
        continue
    layer = name.removesuffix(".outlier_columns")
    columns = set(tensor(fake, name)[1])
    shape, original = tensor(weights, layer + ".weight")
    rounded_shape, rounded = tensor(fake, layer + ".weight_rounded")
    assert shape == rounded_shape and columns, (name, shape, rounded_shape)
    rows, width = shape
    changed = 0
    for n in range(rows):
        row, other = original[n * width:(n + 1) * width], rounded[n * width:(n + 1) * width]
        step = max(abs(row[k]) for k in range(width) if k not in columns) / 127
        for k in range(width):
            if k in columns:
                assert row[k] == other[k], (layer, n, k)
            else:
                changed += row[k] != other[k]
                assert abs(row[k] - other[k]) < 12 * step, (layer, n, k, row[k], other[k], step)
    assert changed > rows * (width - len(columns)) / 2, (layer, changed)
    layers += 1
assert layers
print(f"{layers} layers")
