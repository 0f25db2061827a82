# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds a copy of a tensor with other numbers, KEY.own, to a safetensors file.

  own_weight.py IN KEY OUT
"""
import json
import pathlib
import struct
import sys

data = pathlib.Path(sys.argv[1]).read_bytes()
key = sys.argv[2]
length = struct.unpack("<Q", data[:8])[0]
header, tensors = json.loads(data[8:8 + length]), data[8 + length:]
begin, end = header[key]["data_offsets"]
header[key + ".own"] = header[key] | {"data_offsets": [len(tensors), len(tensors) + end - begin]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 64 + 56)
reversed_rows = tensors[begin:end][::-1]
own = b"".join(reversed_rows[i:i + 4][::-1] for i in range(0, len(reversed_rows), 4))
pathlib.Path(sys.argv[3]).write_bytes(struct.pack("<Q", len(text)) + text + tensors + own)
