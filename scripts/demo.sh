#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#   demo.sh BUILD
#
# Quantizes the byte-level Llama in test/Models/tiny to 4 bits with GPTQ, and compares its perplexity on text
# that calibration did not see, and its size, before and after. Files are left in BUILD/demo.
set -euo pipefail

build=${1:?usage: demo.sh BUILD}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=$root/test/Models/tiny
mkdir -p "$build"
build=$(cd "$build" && pwd)
work=$build/demo
rm -rf "$work"
mkdir "$work"

# Prints a command as one would type it in the repository's folder, and runs it.
run() {
  printf '$' >&2
  local word
  for word in "$@"; do
    word=${word//$root\//}
    [[ $word == *' '* ]] && word="'$word'"
    printf ' %s' "$word" >&2
  done
  printf '\n' >&2
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
  -o "$work/quantized.mlir"

perplexity quantized "$work/quantized.mlir" "$work/quantized.safetensors"

python3 - "$work" "$model/weights.safetensors" <<'PYTHON'
import json
import os
import sys

work, weights = sys.argv[1:]
def load(name):
    with open(os.path.join(work, name)) as file:
        return json.load(file)
before, after, report = load("float.json"), load("quantized.json"), load("report.json")
sizes = [os.path.getsize(path) for path in (weights, os.path.join(work, "quantized.safetensors"))]
rounded = [layer for layer in report["layers"] if layer["status"] == "raised" and layer["method"]]

print(f"""
                          float      4-bit GPTQ
  perplexity per byte {before["perplexity"]:11.4f} {after["perplexity"]:15.4f}   ({after["perplexity"] / before["perplexity"] - 1:+.2%})
  parameters, MB      {sizes[0] / 1e6:11.2f} {sizes[1] / 1e6:15.2f}   ({sizes[0] / sizes[1]:.2f} times smaller)
  layers in 4 bits    {0:>11} {f"{len(rounded)} of {len(report['layers'])}":>15}

  Scheme and error of every layer: {os.path.join(work, "report.json")}""")
PYTHON
