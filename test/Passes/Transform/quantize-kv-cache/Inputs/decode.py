#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What it takes to run several steps of a decoder whose IR is of one step.

  decode.py model MODEL POSITION OUT     the step at POSITION of test/Models/llama_decode, which returns its caches too
  decode.py merge OUT FILE ...           the tensors of all files, the first of a name
  decode.py pick OUT FILE NAME ...        some of them
  decode.py prefix BEFORE AFTER NAME ... fails unless the tensor of AFTER begins with that of BEFORE, token by token
"""
import json
import re
import struct
import sys

TOKENS = 2  # The dimension of a cache that grows.


def read(path):
    with open(path, "rb") as file:
        content = file.read()
    size = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], content[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]])
            for name, entry in header.items()}


def write(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def model(path, position, out):
    text = open(path).read()
    text = re.sub(r"(?<=x)13(?=x)|(?<=, )13(?=\])", str(position + 1), text)
    text = re.sub(r"(?<=x)12(?=x16x)", str(position), text)
    text = text.replace("dense<1.200000e+01>", f"dense<{position}.0>")
    caches = dict(re.findall(r"(%concat_\d+) = tensor.concat dim\(2\) (%arg\d+),", text))
    names = {argument: re.search(rf'{argument}: [^{{]*{{ptq.input = "(\w+)"', text).group(1) for argument in caches.values()}
    cache = f"tensor<1x2x{position + 1}x16xf32>"
    results = "".join(f', {cache} {{ptq.output = "{names[argument]}"}}' for argument in caches.values())
    text = text.replace("-> tensor<1x1x160xf32> {\n", f'-> (tensor<1x1x160xf32> {{ptq.output = "output"}}{results}) {{\n')
    text = re.sub(r"return (%\w+) : (\S+)", lambda match: f"return {match.group(1)}, {', '.join(caches)} : "
                  f"{match.group(2)}{f', {cache}' * len(caches)}", text)
    assert len(caches) == 4
    open(out, "w").write(text)


def prefix(before, after, names):
    before, after = read(before), read(after)
    for name in names:
        (dtype, old, a), (other, new, b) = before[name], after[name]
        assert dtype == other and old[:TOKENS] == new[:TOKENS] and old[TOKENS] < new[TOKENS], (name, old, new)
        heads = 1
        for size in old[:TOKENS]:
            heads *= size
        n, m = len(a) // heads, len(b) // heads
        assert all(a[i * n:(i + 1) * n] == b[i * m:i * m + n] for i in range(heads)), f"{name} has changed"
        print(name, dtype, old, "->", new)


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "model":
        model(rest[0], int(rest[1]), rest[2])
    elif command == "merge":
        merged = {}
        for path in rest[1:]:
            merged = {**read(path), **merged}
        write(rest[0], merged)
    elif command == "pick":
        write(rest[0], {name: tensor for name, tensor in read(rest[1]).items() if name in rest[2:]})
    else:
        prefix(rest[0], rest[1], rest[2:])
