#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Raising changes no number: runs the functions of the lit tests of --raise-linear before and after it.

  check_raise.py TOOLS_DIR FOLDER

Each function that marks its arguments, in the .mlir files of FOLDER, is run on random parameters and inputs as it is,
raised, and raised and lowered to linalg. Outputs must agree to 1e-5 of their greatest value, in 16 bit to 1e-2.
"""
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

FORMAT = {"f64": ("F64", "d"), "f32": ("F32", "f"), "f16": ("F16", "e"), "bf16": ("BF16", None)}
FUNCTION = re.compile(r"^  func\.func @(\w+)\((.*)\) -> (.*) \{$", re.M)
ARGUMENT = re.compile(r'tensor<([0-9?x]*?)x?((?:b?f|i)\d+)>(?: loc\([^)]*\))? \{ptq\.(?:parameter|input) = "([^"]*)"')
DYNAMIC_SIZE = "3"


def run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


def random_tensor(element, shape):
    count = 1
    for size in shape:
        count *= size
    values = [random.uniform(-1, 1) for _ in range(count)]
    if element == "bf16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{count}{FORMAT[element][1]}", *values)


def write_safetensors(path, arguments):
    header, body = {}, b""
    for sizes, element, name in arguments:
        shape = [int(size) for size in sizes.replace("?", DYNAMIC_SIZE).split("x") if size]
        data = random_tensor(element, shape)
        header[name] = {"dtype": FORMAT[element][0], "shape": shape,
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def check(tools, path, work):
    """The problems found, and how many functions were run."""
    problems, count = [], 0
    original, raised, lowered = (work / f"{path.stem}.{stage}.mlir" for stage in ("original", "raised", "lowered"))
    run(tools / "quant-opt", path, "-o", original)
    run(tools / "quant-opt", path, "--raise-linear", "-o", raised)
    run(tools / "quant-opt", raised, "--ptq-to-linalg", "-o", lowered)
    if "ptq.linear" not in raised.read_text():
        problems.append(f"{path.name}: nothing was raised")
    for function, signature, results in FUNCTION.findall(original.read_text()):
        arguments = ARGUMENT.findall(signature)
        if not arguments or len(arguments) != signature.count("tensor<"):
            continue
        count += 1
        data, report = work / "data.safetensors", work / "report.json"
        write_safetensors(data, arguments)
        tolerance = 1e-2 if "f16>" in signature + results else 1e-5
        for model in (raised, lowered):
            run(tools / "quant-run", model, f"--parameters={data}", f"--inputs={data}", f"--function={function}",
                f"--reference={original}", f"--reference-parameters={data}", f"--json={report}")
            for name, output in json.loads(report.read_text())["outputs"].items():
                error, sqnr = output["max_abs_error"], output["sqnr_db"]
                if not error <= 10 * tolerance or not sqnr >= (40 if tolerance == 1e-2 else 100):
                    problems.append(f"{model.name}: {function}: {name} differs: {output}")
    return problems, count


def main():
    tools, folder = map(pathlib.Path, sys.argv[1:])
    random.seed(1)
    problems, count = [], 0
    with tempfile.TemporaryDirectory() as work:
        for path in sorted(folder.glob("*.mlir")):
            if path.stem in ("names", "negative"):  # Names only; nothing to run.
                continue
            found, ran = check(tools, path, pathlib.Path(work))
            problems, count = problems + found, count + ran
    if problems or count < 30:
        sys.exit("\n".join(problems) + f"\n{count} functions were run")
    print(f"{count} functions agree before and after")


if __name__ == "__main__":
    main()
