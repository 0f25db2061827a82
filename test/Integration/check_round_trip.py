#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folders of test/Models/tiny in every format: what is written, read and written again is the same, byte for byte, and
the model that is read computes what the model that was written does, bit for bit.

  check_round_trip.py TOOLS_DIR MODEL_DIR
"""
import filecmp
import json
import pathlib
import subprocess
import sys
import tempfile

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32"}
# Rounded with 16-bit scales, which is what makes `lossless` hold for the formats that store them.
CASES = [
    ("compressed-tensors", "--rtn=bits=4 group-size=64"),
    ("compressed-tensors", "--rtn=bits=3 group-size=64 symmetric=false"),
    ("compressed-tensors", "--rtn=bits=8 activations=per-token"),
    ("compressed-tensors", "--gptq=bits=4 group-size=64 order=act"),
    ("gptq", "--gptq=bits=4 group-size=64 order=act scale-type=f16"),
    ("gptq", "--rtn=bits=3 group-size=64 scale-type=f16"),
    ("gptq_v2", "--gptq=bits=4 group-size=64 symmetric=false scale-type=f16"),
    ("gptq_v2", "--rtn=bits=2 granularity=channel symmetric=false scale-type=f16"),
    ("awq", "--gptq=bits=4 group-size=64 symmetric=false scale-type=f16"),
    ("awq", "--rtn=bits=4 group-size=128 scale-type=f16"),
]


def run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr[-4000:]}")


def same_files(first, second):
    names = sorted(path.name for path in first.iterdir())
    if names != sorted(path.name for path in second.iterdir()):
        return False
    return not any(filecmp.cmpfiles(first, second, names, shallow=False)[1:])


def main():
    tools, model = map(pathlib.Path, sys.argv[1:])
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        source = work / "float"
        source.mkdir()
        (source / "config.json").write_text(json.dumps(CONFIG))
        (source / "model.safetensors").write_bytes((model / "weights.safetensors").read_bytes())
        for number, (form, rounding) in enumerate(CASES):
            written, again = work / f"{number}", work / f"{number}-again"
            needed = [f"--calibrate=data={model / 'calibration.safetensors'} max-samples=4"] if "gptq=" in rounding else []
            run(tools / "quant-opt", model / "model.mlir", f"--load-parameters=file={model / 'weights.safetensors'}",
                *needed, rounding, f"--save-checkpoint=format={form} dir={written} from={source} lossless",
                f"--save-parameters=file={work / 'a.safetensors'}", "-o", work / "a.mlir")
            run(tools / "quant-opt", model / "model.mlir", f"--load-checkpoint=dir={written}",
                f"--save-checkpoint=format={form} dir={again} from={written} lossless",
                f"--save-parameters=file={work / 'b.safetensors'}", "-o", work / "b.mlir")
            for name in "ab":
                run(tools / "quant-run", work / f"{name}.mlir", f"--parameters={work / name}.safetensors",
                    f"--inputs={model / 'io.safetensors'}", f"--outputs={work / name}.out")
            equal = filecmp.cmp(work / "a.out", work / "b.out", shallow=False)
            good = same_files(written, again) and equal
            failed += not good
            print(f"{form} {rounding}: bytes {'equal' if same_files(written, again) else 'DIFFER'}, "
                  f"outputs {'equal' if equal else 'DIFFER'}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
