# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""within.py FILE.json KEY[/KEY…] LEAST GREATEST: fails unless the number is there and within the bounds."""
import json
import sys

path, keys, least, greatest = sys.argv[1:]
with open(path) as file:
    value = json.load(file)
for key in keys.split("/"):
    value = value[key]
if not float(least) <= value <= float(greatest):
    sys.exit(f"{keys} is {value}, allowed {least} to {greatest}")
