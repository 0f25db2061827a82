#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantizes a real model with several settings and checks the perplexities.

  check_quality.py TOOLS_DIR MODEL_DIR WEIGHTS CASES.json

CASES.json: {"samples": "calibration.safetensors", "evaluation": "evaluation.safetensors", "input": "ids",
"float": [least, greatest], "cases": [{"passes": ["--gptq=bits=4"], "perplexity": [least, greatest]}, …]}.
Each case's passes run after --load-parameters and --calibrate; "max_samples" limits the calibration samples.
"""
import json
import pathlib
import subprocess
import sys
import tempfile


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr}")


def perplexity(tools, model, weights, folder, cases, work):
    out = work / "run.json"
    run(tools / "quant-run", model, f"--parameters={weights}", f"--inputs={folder / cases['evaluation']}",
        f"--perplexity={cases['input']}", f"--json={out}")
    return json.loads(out.read_text())["perplexity"]


def check(name, value, bounds):
    least, greatest = bounds
    print(f"{name}: perplexity {value:.4f}, allowed {least} to {greatest}", flush=True)
    return least <= value <= greatest


def main():
    tools, folder, weights, cases_file = map(pathlib.Path, sys.argv[1:])
    cases = json.loads(cases_file.read_text())
    calibrate = f"--calibrate=data={folder / cases['samples']}"
    if "max_samples" in cases:
        calibrate += f" max-samples={cases['max_samples']}"
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        good &= check("float", perplexity(tools, folder / "model.mlir", weights, folder, cases, work), cases["float"])
        for case in cases["cases"]:
            model, packed = work / "model.mlir", work / "model.safetensors"
            run(tools / "quant-opt", folder / "model.mlir", f"--load-parameters=file={weights}", calibrate,
                *case["passes"], f"--save-parameters=file={packed}", "-o", model)
            good &= check(" ".join(case["passes"]), perplexity(tools, model, packed, folder, cases, work),
                          case["perplexity"])
    sys.exit(not good)


if __name__ == "__main__":
    main()
