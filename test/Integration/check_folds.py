#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts random scales through every channel-scale fold of whole models: they must compute what they did.

  check_folds.py TOOLS_DIR MODELS_DIR [MODEL…] [--weights DIR] [--seed N]

Scales are log-uniform between 0.1 and 10, equal where they are tied. For each model: how many linear layers had the
scale of their input folded, made explicit or declined, and the greatest change of an output, relative to its maximum.
Without a list: the models whose weights are in the repository.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Layers by placement, and the bound on the relative change of the output. In 16 bit every scaled parameter is rounded
# again; models with random weights show that more than trained ones do.
EXPECTED = {
    "tiny": ((29, 0, 0), 2e-5),
    "bert": ((2, 10, 0), 2e-5),
    "gpt2": ((7, 2, 0), 2e-5),
    "llama_bf16": ((15, 0, 0), 5e-2),
    "llama_decode": ((13, 2, 0), 2e-5),
    "llama_dyn": ((15, 0, 0), 2e-5),
    "mistral_f16": ((15, 0, 0), 5e-3),
    "opt": ((13, 0, 0), 2e-5),
    "phi3": ((9, 0, 0), 2e-5),
    "qwen3": ((15, 0, 0), 2e-5),
    "smollm2": ((211, 0, 0), 2e-5),
    "minilm": ((6, 30, 0), 2e-5),
}
REMARK = re.compile(r"remark: (\S+): (folded|explicit|declined), ")


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr[-2000:]}")
    return result.stderr


def check(tools, folder, weights, seed, work):
    folded, parameters, out = work / "folded.mlir", work / "folded.safetensors", work / "result.json"
    remarks = run(tools / "quant-opt", folder / "model.mlir", f"--load-parameters=file={weights}",
                  f"--test-channel-scale=seed={seed}", f"--save-parameters=file={parameters}", "-o", folded)
    places = collections.Counter(place for _, place in REMARK.findall(remarks))
    run(tools / "quant-run", folded, f"--parameters={parameters}", f"--inputs={folder / 'io.safetensors'}",
        f"--reference={folder / 'model.mlir'}", f"--reference-parameters={weights}", f"--json={out}")
    error = max(o["relative_max_error"] for o in json.loads(out.read_text())["outputs"].values())
    found = tuple(places[place] for place in ("folded", "explicit", "declined"))
    expected, bound = EXPECTED[folder.name]
    good = found == expected and error <= bound
    print(f"{folder.name:13} folded {found[0]:3}  explicit {found[1]:3}  declined {found[2]:3}  max error {error:.2g}"
          + ("" if good else f"  FAILED: expected {expected} within {bound:g}"), flush=True)
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = arguments.names or [n for n in EXPECTED if (arguments.models / n / "weights.safetensors").exists()]
    good = True
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            folder = arguments.models / name
            weights = folder / "weights.safetensors"
            if arguments.weights:
                weights = arguments.weights / f"{name}.safetensors"
            good &= check(arguments.tools, folder, weights, arguments.seed, pathlib.Path(work))
    sys.exit(not good)
