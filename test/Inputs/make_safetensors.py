#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes and shows safetensors files for tests, with the standard library only.

  make_safetensors.py write FILE NAME:DTYPE:SHAPE[=FIRST[,STEP]] ...
  make_safetensors.py show FILE [NAME ...]

SHAPE is 2x3, empty for a scalar. Elements are FIRST, FIRST + STEP, ... (0 and 1 unless told). BF16 keeps the upper
half of a float32. `show` prints one line a tensor, sorted by name: NAME DTYPE [SHAPE] ELEMENTS.
"""
import json
import struct
import sys

FORMATS = {"F64": "d", "F32": "f", "F16": "e", "BF16": None, "I64": "q", "I32": "i", "I16": "h", "I8": "b",
           "U8": "B", "BOOL": "?"}


def pack(dtype, values):
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    if FORMATS[dtype] in "df" or FORMATS[dtype] == "e":
        return struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
    return struct.pack(f"<{len(values)}{FORMATS[dtype]}", *map(int, values))


def unpack(dtype, data):
    if dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    return [value[0] for value in struct.iter_unpack("<" + FORMATS[dtype], data)]


def write(path, specs):
    header, body = {}, b""
    for spec in specs:
        place, _, sequence = spec.partition("=")
        name, dtype, text = place.split(":")
        shape = [int(size) for size in text.split("x")] if text else []
        first, _, step = (sequence or "0").partition(",")
        count = 1
        for size in shape:
            count *= size
        data = pack(dtype, [float(first) + i * float(step or 1) for i in range(count)])
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def show(path, names):
    with open(path, "rb") as file:
        content = file.read()
    size = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    for name in names or sorted(header):
        entry = header[name]
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        values = unpack(entry["dtype"], content[begin:end])
        print(name, entry["dtype"], entry["shape"], " ".join(f"{value:g}" for value in values))


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    {"write": write, "show": show}[command](path, rest)
