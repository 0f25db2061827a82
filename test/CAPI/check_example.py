#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs examples/python/quantize.py, and holds its result against quant-opt's: the same files, byte for byte.

  check_example.py LIBRARY BIN SOURCE WORK
"""
import filecmp
import pathlib
import re
import subprocess
import sys


def run(*command, fails=False):
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if (result.returncode != 0) != fails:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}\nexit status {result.returncode}")
    return result.stdout


def main():
    library, tools, source, work = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
    model, example = source / "test/Models/tiny", source / "examples/python/quantize.py"
    files = [model / "model.mlir", model / "weights.safetensors", model / "calibration.txt"]
    outputs = [work / "python.mlir", work / "python.safetensors"]
    expected = [work / "expected.mlir", work / "expected.safetensors"]

    printed = run(sys.executable, example, library, *files, *outputs, "rtn", "bits=4 group-size=64")
    if not printed.startswith("mlir-ptq 0."):
        sys.exit(f"the example did not say its version:\n{printed}")
    run(tools / "quant-opt", files[0], f"--load-parameters=file={files[1]}", f"--calibrate=data={files[2]} max-samples=0",
        "--rtn=bits=4 group-size=64", f"--save-parameters=file={expected[1]}", "-o", expected[0])
    # They differ in the names of their files and the time that rounding took only.
    texts = [re.sub(r"seconds = [0-9.eE+-]+", "", path.read_text().replace(str(data), "DATA")) for path, data in
             zip((outputs[0], expected[0]), (outputs[1], expected[1]))]
    if texts[0] != texts[1]:
        sys.exit(f"{outputs[0]} and {expected[0]} differ")
    if not filecmp.cmp(outputs[1], expected[1], shallow=False):
        sys.exit(f"{outputs[1]} and {expected[1]} differ")

    for wrong, words in ((["gtpq"], "no pass named 'gtpq'"), (["rtn", "bits=99"], "error: ")):
        outputs[0].unlink(missing_ok=True)
        printed = run(sys.executable, example, library, *files, *outputs, *wrong, fails=True)
        if words not in printed or "Traceback" in printed:
            sys.exit(f"expected '{words}' for {wrong}:\n{printed}")
        if outputs[0].exists():
            sys.exit(f"{wrong} wrote {outputs[0]}")


if __name__ == "__main__":
    main()
