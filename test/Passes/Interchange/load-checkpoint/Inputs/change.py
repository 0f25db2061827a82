# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Copies a folder with its config.json's quantization_config changed:
#
#   change.py FOLDER NEW PATH=JSON …
#
# A PATH is keys joined by "/", "." for the whole; without "=JSON" the key is removed.
import json
import os
import shutil
import sys

source, target, *changes = sys.argv[1:]
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(source, target)
path = os.path.join(target, "config.json")
with open(path) as file:
    config = json.load(file)
for change in changes:
    name, _, value = change.partition("=")
    keys = ["quantization_config"] + ([] if name == "." else name.split("/"))
    place = config
    for key in keys[:-1]:
        place = place[key]
    if value:
        place[keys[-1]] = json.loads(value)
    else:
        del place[keys[-1]]
with open(path, "w") as file:
    json.dump(config, file)
