# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantized models, whole, on the emulated GPU against the CPU: check_device.py BIN MODELS WORK

Every layer is one of our kernels, the rest is upstream's way to the GPU; all of the emulator's checks are on, and a
finding is an error of quant-run.

The bound is 1e-3 of the greatest output. An activation's integer is decided by its last bit now and then, so 8-bit
activations meet the bound only if every float before them is the same on both sides. That is the case where OpenBLAS adds
in the order of k, as it does with AVX-512; elsewhere single integers differ by one, each worth about 1e-3.
"""

import json
import pathlib
import subprocess
import sys

BOUND, NOISE = 1e-3, 1e-2

W4A16 = "--rtn=bits=4 group-size=64"
W8A8 = "--rtn=bits=8 group-size=-1 activations=per-token"
SMALL = ["bert", "gpt2", "llama_bf16", "llama_decode", "llama_dyn", "mistral_f16", "opt", "phi3", "qwen3"]
CASES = [  # model, weights, passes
    ("tiny", "weights", [W4A16]),
    ("tiny", "weights-outliers", ["--smoothquant", W8A8]),
    *((model, "weights", [W8A8]) for model in SMALL),
]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nfailed:\n{done.stdout}{done.stderr}")


def check(bin_dir, model, weights, passes, work):
    """The greatest difference of an output, relative to the greatest output; launches."""
    quantized, parameters = work / "quantized.mlir", work / "quantized.safetensors"
    outputs, report = work / "outputs.safetensors", work / "report.json"
    calibration = model / "calibration.txt"
    run(bin_dir / "quant-opt", model / "model.mlir", f"--load-parameters=file={model / weights}.safetensors",
        *([f"--calibrate=data={calibration}"] if calibration.exists() else []), *passes,
        f"--save-parameters=file={parameters}", "-o", quantized)
    command = [bin_dir / "quant-run", quantized, f"--parameters={parameters}", f"--inputs={model / 'io.safetensors'}",
               "--max-samples=1"]
    run(*command, f"--outputs={outputs}")
    run(*command, "--device=emulator", f"--reference={outputs}", f"--json={report}")
    result = json.loads(report.read_text())
    return max(output["relative_max_error"] for output in result["outputs"].values()), result["launches"]


def main():
    bin_dir, models, work = map(pathlib.Path, sys.argv[1:])
    work.mkdir(parents=True, exist_ok=True)
    ordered = "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
    failed = False
    for model, weights, passes in CASES:
        error, launches = check(bin_dir, models / model, weights, passes, work)
        bound = BOUND if ordered or W4A16 in passes else NOISE
        failed |= error > bound
        print(f"{model} {weights} {' '.join(passes)}: {launches} launches, relative error {error:.3g}, bound {bound:.3g}"
              f"{'' if error <= bound else ': FAILED'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
