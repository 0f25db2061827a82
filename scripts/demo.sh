#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#   demo.sh BUILD
#
# Quantizes the byte-level Llama in test/Models/tiny: its weights to 4 bits with GPTQ, and, with SmoothQuant, weights and
# activations to 8 bits. Compares perplexity on text that calibration did not see, and size, before and after.
# SmoothQuant starts from weights that are the same function with outliers in its activations, as large models have
# them, and its scales are proven to change nothing by running the model before and after. Files are left in BUILD/demo.
set -euo pipefail

build=${1:?usage: demo.sh BUILD}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=$root/test/Models/tiny
mkdir -p "$build"
build=$(cd "$build" && pwd)
work=$build/demo
rm -rf "$work"
mkdir "$work"

exec 3>&2
# Prints a command as one would type it in the repository's folder, and runs it.
run() {
  printf '$' >&3
  local word
  for word in "$@"; do
    word=${word//$root\//}
    [[ $word == *' '* ]] && word="'$word'"
    printf ' %s' "$word" >&3
  done
  printf '\n' >&3
  "$@"
}

perplexity() { # NAME MODEL PARAMETERS
  run "$build/bin/quant-run" "$2" --parameters="$3" --inputs="$model/evaluation.safetensors" \
    --perplexity=ids --json="$work/$1.json" >"$work/$1.txt"
}

perplexity float "$model/model.mlir" "$model/weights.safetensors"

run "$build/bin/quant-opt" "$model/model.mlir" \
  --load-parameters="file=$model/weights.safetensors" \
  --calibrate="data=$model/calibration.txt" \
  --gptq="bits=4 group-size=64" \
  --save-parameters="file=$work/quantized.safetensors" \
  --write-report="file=$work/report.json" \
  --write-report="file=$work/report.html" \
  -o "$work/quantized.mlir"

perplexity quantized "$work/quantized.mlir" "$work/quantized.safetensors"

run "$build/bin/quant-opt" "$model/model.mlir" \
  --load-parameters="file=$model/weights-outliers.safetensors" \
  --calibrate="data=$model/calibration.txt" \
  --smoothquant \
  --verify-equivalence="tolerance=2e-5" \
  --gptq \
  --save-parameters="file=$work/w8a8.safetensors" \
  -o "$work/w8a8.mlir" 2>"$work/w8a8.messages" || { cat "$work/w8a8.messages" >&2; exit 1; }
grep -A 2 'remark: verify-equivalence' "$work/w8a8.messages" >&2

perplexity w8a8 "$work/w8a8.mlir" "$work/w8a8.safetensors"

python3 - "$work" "$model/weights.safetensors" <<'PYTHON'
import json
import os
import sys

work, weights = sys.argv[1:]
def load(name):
    with open(os.path.join(work, name)) as file:
        return json.load(file)
runs = [load("float.json"), load("quantized.json"), load("w8a8.json")]
report = load("report.json")
files = [weights, os.path.join(work, "quantized.safetensors"), os.path.join(work, "w8a8.safetensors")]
sizes = [os.path.getsize(path) for path in files]
rounded = [layer for layer in report["layers"] if layer["status"] == "raised" and layer["method"]]

perplexities = [f"{run['perplexity']:.4f}" for run in runs]
changes = [""] + [f"({run['perplexity'] / runs[0]['perplexity'] - 1:+.2%})" for run in runs[1:]]
megabytes = [f"{size / 1e6:.2f}" for size in sizes]
ratios = [""] + [f"({sizes[0] / size:.2f} times smaller)" for size in sizes[1:]]

def line(title, cells, notes=("", "", "")):
    print((f"  {title:20}{cells[0]:>8} " + "".join(f"{c:>12} {n:22}" for c, n in zip(cells[1:], notes[1:]))).rstrip())

print()
line("", ["float", "4-bit GPTQ", "W8A8"])
line("perplexity per byte", perplexities, changes)
line("parameters, MB", megabytes, ratios)
line("layers", ["", f"{len(rounded)} of {len(report['layers'])}", f"{len(rounded)} of {len(report['layers'])}"])
print(f"""
  Scheme and error of every layer: {os.path.join(work, "report.html")}""")
PYTHON
