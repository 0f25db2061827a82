#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs real exported models and compares with what torch computed.

  check_models.py TOOLS_DIR MODELS_DIR [--weights DIR] [NAME…]

For each model: as it was exported, raised, and raised and lowered to linalg again, the output must agree with
torch's to 1e-5 of its greatest value (float32), a unit in the last place (16 bit). Models without a weights file beside them take it from
DIR/NAME.safetensors.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

TOLERANCE = {"llama_bf16": 4e-3, "mistral_f16": 1e-3}  # a unit in the last place


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr}")
    return result


def check(tools, folder, weights, work):
    """The greatest relative error of each form of the model, by form and input file."""
    model = folder / "model.mlir"
    forms = {"exported": model, "raised": work / "raised.mlir", "lowered": work / "lowered.mlir"}
    run(tools / "quant-opt", model, "--raise-linear", "-o", forms["raised"])
    run(tools / "quant-opt", model, "--raise-linear", "--ptq-to-linalg", "-o", forms["lowered"])
    tolerance = TOLERANCE.get(folder.name, 1e-5)
    worst = 0
    for io in sorted(folder.glob("io*.safetensors")):
        for form, path in forms.items():
            out = work / "result.json"
            run(tools / "quant-run", path, f"--parameters={weights}", f"--inputs={io}", f"--reference={io}",
                f"--json={out}")
            outputs = json.loads(out.read_text())["outputs"]
            assert outputs, f"{folder.name}: nothing was compared"
            error = max(o["relative_max_error"] for o in outputs.values())
            if not error <= tolerance:
                sys.exit(f"{folder.name}, {form}, {io.name}: relative error {error:.3g}, allowed {tolerance:g}")
            worst = max(worst, error)
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(p.name for p in options.models.iterdir() if (p / "model.mlir").exists())
    for name in names:
        folder = options.models / name
        weights = folder / "weights.safetensors"
        if not weights.exists():
            if not options.weights:
                continue
            weights = options.weights / f"{name}.safetensors"
        with tempfile.TemporaryDirectory() as work:
            print(f"{name}: {check(options.tools, folder, weights, pathlib.Path(work)):.2g}", flush=True)
