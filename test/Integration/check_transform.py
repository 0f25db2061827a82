#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Moves scales through whole models, and checks by running that the models compute what they did.

  check_transform.py TOOLS_DIR MODELS_DIR [--weights DIR] [--random-only] [NAME…]

For each model: random scales (0.1 … 10, two seeds) through every place that can take one, then the transformations
themselves, each followed by --verify-equivalence; and for how many layers the input's scale was folded into
parameters, made an operation of its own, or declined, which must be what it is known to be. Models without a weights
file beside them take it from DIR/NAME.safetensors.
"""
import argparse
import pathlib
import re
import subprocess
import sys

# Layers whose input scale is folded, explicit, declined.
EXPECTED = {
    "bert": (2, 10, 0), "gpt2": (7, 2, 0), "llama_bf16": (15, 0, 0), "llama_decode": (13, 2, 0), "llama_dyn": (15, 0, 0),
    "minilm": (6, 30, 0), "mistral_f16": (15, 0, 0), "opt": (13, 0, 0), "phi3": (9, 0, 0), "qwen3": (15, 0, 0),
    "smollm2": (211, 0, 0), "tiny": (29, 0, 0),
}
# Rounding of the rescaled weights: float32 and 16 bit.
TOLERANCE, NARROW_TOLERANCE = 2e-5, 2e-2
NARROW = ("llama_bf16", "mistral_f16")
RANDOM = ["--test-channel-scales=seed=1", "--test-channel-scales=seed=2 explicit-scale=false"]
TRANSFORMATIONS = ["--smoothquant", "--smoothquant=alpha=auto", "--awq=grid=4 group-size=-1"]


def transform(tools, model, weights, samples, passes, tolerance):
    """The remarks and the greatest relative error of the outputs."""
    command = [tools / "quant-opt", model, f"--load-parameters=file={weights}", *passes,
               f"--verify-equivalence=data={samples} tolerance={tolerance} max-samples=1", "-o", "/dev/null"]
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        errors = result.stderr[result.stderr.find("error:"):][:2000]
        raise RuntimeError(f"failed: {' '.join(map(str, command))}\n{errors}")
    table = result.stderr[result.stderr.index("verify-equivalence: agrees"):].splitlines()[2:]
    rows = [line.split() for line in table if len(line.split()) == 5 and line.startswith("  ")]
    assert rows, result.stderr
    return result.stderr, max(float(row[-1]) for row in rows)


def placements(remarks):
    """How many layers' inputs are folded, explicit, declined."""
    counts = dict.fromkeys(("folded", "explicit", "declined"), 0)
    for layers, placement in re.findall(r"remark: input of (.*?): (folded|explicit|declined)", remarks):
        counts[placement] += layers.count("'") // 2
    return tuple(counts.values())


def check(tools, folder, weights, random_only):
    samples = folder / "calibration.safetensors"
    if not samples.exists():
        samples = folder / "io.safetensors"
    tolerance = NARROW_TOLERANCE if folder.name in NARROW else TOLERANCE
    model, problems, errors = folder / "model.mlir", [], []
    remarks = ""
    pipelines = [[p] for p in RANDOM] + [[f"--calibrate=data={samples} max-samples=2", p] for p in TRANSFORMATIONS]
    for passes in pipelines[:1] if random_only else pipelines:
        try:
            text, error = transform(tools, model, weights, samples, passes, tolerance)
            errors.append(error)
            remarks = remarks or text
        except RuntimeError as problem:
            problems.append(str(problem))
    counts = placements(remarks)
    linears = len((folder / "linears.txt").read_text().splitlines())
    if sum(counts) != linears:
        problems.append(f"{folder.name}: {sum(counts)} layers have a placement, the model has {linears}")
    if counts != EXPECTED.get(folder.name):
        problems.append(f"{folder.name}: folded, explicit and declined are {counts}, not {EXPECTED.get(folder.name)}")
    print(f"{folder.name:14} {counts[0]:6} {counts[1]:8} {counts[2]:8}   "
          + " ".join(f"{error:8.1e}" for error in errors), flush=True)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--random-only", action="store_true", help="one seed of random scales, no transformations")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(p.name for p in options.models.iterdir() if (p / "model.mlir").exists())
    print("model          folded explicit declined   errors: " + ", ".join(RANDOM + TRANSFORMATIONS))
    problems = []
    for name in names:
        folder = options.models / name
        weights = folder / "weights.safetensors"
        if not weights.exists():
            if not options.weights:
                continue
            weights = options.weights / f"{name}.safetensors"
        problems += check(options.tools, folder, weights, options.random_only)
    sys.exit("\n".join(problems) if problems else 0)


if __name__ == "__main__":
    main()
