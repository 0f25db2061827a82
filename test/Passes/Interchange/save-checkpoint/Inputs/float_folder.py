# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Makes the folder of a float model of one layer: checkpoint.py FOLDER. No packages are needed.
import json
import os
import struct
import sys

folder, out, width = sys.argv[1], 32, 64
os.makedirs(folder)
weight = [((37 * i) % 101 - 50) / 64 for i in range(out * width)]
norm = [1.0] * width
data = struct.pack(f"<{len(weight)}f", *weight) + struct.pack(f"<{width}f", *norm)
header = json.dumps({
    "fc.weight": {"dtype": "F32", "shape": [out, width], "data_offsets": [0, 4 * len(weight)]},
    "norm.weight": {"dtype": "F32", "shape": [width], "data_offsets": [4 * len(weight), len(data)]},
}).encode()
header += b" " * (-len(header) % 8)
with open(os.path.join(folder, "model.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + data)
with open(os.path.join(folder, "config.json"), "w") as file:
    json.dump({"model_type": "test", "torch_dtype": "float32"}, file)
with open(os.path.join(folder, "tokenizer.json"), "w") as file:
    file.write("{}\n")
