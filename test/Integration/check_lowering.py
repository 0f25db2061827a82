#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs quantized models as packed layers and lowered to linalg: the two must agree.

  check_lowering.py TOOLS_DIR MODELS_DIR MLIR_OPT

The packed layers are executed by lib/Numerics, the lowered ones by unpacking in IR, which stock mlir-opt must read.
Integer layers must agree exactly, activations' scales and all.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

SCHEMES = {
    "tiny": ["bits=4 group-size=64", "bits=2 group-size=32 symmetric=false", "bits=8 granularity=tensor",
             "bits=5 group-size=-1 symmetric=false"],
    "opt": ["bits=3 group-size=16 symmetric=false", "bits=4 group-size=-1"],
    "gpt2": ["bits=6 group-size=32", "bits=7 granularity=tensor symmetric=false"],
    "mistral_f16": ["bits=4 group-size=16", "bits=3 group-size=16 symmetric=false"],
    "llama_dyn": ["bits=4 group-size=8 symmetric=false"],
}

# Integer activations: each granularity, with weights of 8 bits and fewer, in groups, on float32 and 16-bit models.
INTEGER_SCHEMES = {
    "tiny": ["activations=per-token", "activations=per-tensor granularity=tensor",
             "activations=per-token bits=4 granularity=group group-size=32", "activations=per-tensor bits=5",
             "activations=per-token-asymmetric", "activations=per-tensor-asymmetric bits=4 granularity=group group-size=32"],
    "opt": ["activations=per-token bits=8 granularity=group group-size=16", "activations=per-tensor",
            "activations=per-token-int4 bits=4 granularity=group group-size=16", "activations=per-tensor-asymmetric"],
    "mistral_f16": ["activations=per-token", "activations=per-token-asymmetric"],
    "llama_bf16": ["activations=per-token bits=3"],
    "llama_dyn": ["activations=per-token bits=4"],
}

# Embedding tables read in integers: one, tied to a head; three; 16 bits; one token; a dynamic length.
EMBEDDINGS = {"gpt2": [8, 4], "bert": [8, 4], "mistral_f16": [4], "llama_bf16": [8], "llama_decode": [8], "llama_dyn": [4]}


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr[-2000:]}")


def check(tools, mlir_opt, folder, passes, work, op="ptq.weight_only_linear", bound=None):
    packed, lowered, weights = work / "packed.mlir", work / "lowered.mlir", work / "packed.safetensors"
    out, io = work / "result.json", folder / "io.safetensors"
    run(tools / "quant-opt", folder / "model.mlir", f"--load-parameters=file={folder / 'weights.safetensors'}",
        *passes, f"--save-parameters=file={weights}", "-o", packed)
    assert op in packed.read_text()
    run(tools / "quant-opt", packed, "--ptq-to-linalg", "-o", lowered)
    run(mlir_opt, lowered, "-o", "/dev/null")
    run(tools / "quant-run", lowered, f"--parameters={weights}", f"--inputs={io}", f"--reference={packed}",
        f"--reference-parameters={weights}", f"--json={out}")
    error = max(o["relative_max_error"] for o in json.loads(out.read_text())["outputs"].values())
    if bound is None:
        bound = 1e-3 if "f16" in folder.name else 1e-6
    print(f"{folder.name} {' '.join(passes)}: {error:.2g}", flush=True)
    return error <= bound


if __name__ == "__main__":
    tools, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    mlir_opt = sys.argv[3]
    good = True
    with tempfile.TemporaryDirectory() as work:
        for name, schemes in SCHEMES.items():
            for scheme in schemes:
                good &= check(tools, mlir_opt, models / name, [f"--rtn={scheme}"], pathlib.Path(work))
        for name, schemes in INTEGER_SCHEMES.items():
            for scheme in schemes:
                good &= check(tools, mlir_opt, models / name, [f"--rtn={scheme}"], pathlib.Path(work),
                              "ptq.integer_linear", bound=0)
        for name, widths in EMBEDDINGS.items():
            for bits in widths:
                good &= check(tools, mlir_opt, models / name,
                              [f"--rtn=bits=8 group-size=-1 activations=per-token embeddings={bits}"],
                              pathlib.Path(work), "ptq.embedding", bound=0)
        # Groups that are no consecutive channels.
        tiny = models / "tiny"
        good &= check(tools, mlir_opt, tiny,
                      [f"--calibrate=data={tiny / 'calibration.txt'} max-samples=4",
                       "--gptq=bits=3 group-size=64 symmetric=false order=act"], pathlib.Path(work))
        # Single weights beside them, in float16 and float32 models.
        good &= check(tools, mlir_opt, tiny,
                      [f"--calibrate=data={tiny / 'calibration.txt'} max-samples=4",
                       "--gptq=bits=4 group-size=64 symmetric=false order=act outliers=3%"], pathlib.Path(work))
        for name in ("mistral_f16", "llama_bf16"):
            good &= check(tools, mlir_opt, models / name,
                          [f"--calibrate=data={models / name / 'io.safetensors'}",
                           "--gptq=bits=3 group-size=16 outliers=1%"], pathlib.Path(work))
    sys.exit(not good)
