# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""write_index.py INDEX TENSOR=SHARD ...: a sharded checkpoint's index."""
import json
import sys

with open(sys.argv[1], "w") as file:
    json.dump({"metadata": {}, "weight_map": dict(word.split("=") for word in sys.argv[2:])}, file)
