#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every cell of the table of schemes on a model, in every lowering.

  check_schemes.py TOOLS_DIR MODEL_DIR [--only REGEX] [--jobs N]

`ptq-schemes --json` names the cells. Each is made of the model, then run in the executor, lowered to linalg and lowered
to the CPU's runtime. What a lowering computes is what the executor does (SQNR of at least LOWERED dB), and the
SQNR of the executor's outputs against the float model's is that of the same rounding in floats (`fake=true`: codes and
scales of lib/Numerics, dequantized there) within TOLERANCE dB, and at least LEAST dB. A cell with a GPU kernel is compiled
for one, once a scheme.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

CALIBRATION = 4
EVALUATION = 2
TOLERANCE = 1.0
LOWERED = 80.0
LEAST = 3.0


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if "error:" in line] or [result.stderr[-2000:]]
        raise RuntimeError(f"FAILED: {' '.join(map(str, command))}\n" + "\n".join(errors))
    return result.stderr


class Cells:
    def __init__(self, tools, model, work):
        self.tools, self.model, self.work = tools, model, work
        self.weights = model / "weights.safetensors"
        # The float model's outputs, with which every cell is compared.
        self.floats = work / "floats.safetensors"
        self.execute(model / "model.mlir", self.weights, f"--outputs={self.floats}")

    def quantize(self, cell, folder, name, fake):
        """The module and the parameters of a cell."""
        module, parameters = folder / f"{name}.mlir", folder / f"{name}.safetensors"
        passes = list(cell["passes"])
        if fake:
            passes[-1] += (" " if "=" in passes[-1] else "=") + "fake=true"
        run(self.tools / "quant-opt", self.model / "model.mlir", f"--load-parameters=file={self.weights}",
            f"--calibrate=data={self.model / 'calibration.safetensors'} max-samples={CALIBRATION}", *passes,
            f"--save-parameters=file={parameters}", "-o", module)
        return module, parameters

    def execute(self, module, parameters, *options):
        run(self.tools / "quant-run", module, f"--parameters={parameters}",
            f"--inputs={self.model / 'evaluation.safetensors'}", f"--max-samples={EVALUATION}", *options)

    def sqnr(self, module, parameters, reference, *options):
        """Against the outputs in a file, in dB, over all outputs the least."""
        out = module.with_suffix(".json")
        self.execute(module, parameters, f"--reference={reference}", f"--json={out}", *options)
        return min(output["sqnr_db"] for output in json.loads(out.read_text())["outputs"].values())

    def lower(self, folder, module, lowering):
        lowered = folder / f"{module.stem}.{lowering}.mlir"
        run(self.tools / "quant-opt", module, f"--ptq-to-{lowering}", "-o", lowered)
        return lowered

    def check(self, index, cell):
        """The line that tells of the cell, and whether it is as it should be."""
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            folder = pathlib.Path(name)
            module, parameters = self.quantize(cell, folder, "packed", False)
            fake, fake_parameters = self.quantize(cell, folder, "fake", True)
            outputs = folder / "outputs.safetensors"
            measured = self.sqnr(module, parameters, self.floats, f"--outputs={outputs}")
            expected = self.sqnr(fake, fake_parameters, self.floats)
            bad = []
            if not (abs(measured - expected) <= TOLERANCE and measured >= LEAST):
                bad.append(f"not within {TOLERANCE} dB of fake quantization")
            agreement = {}
            for lowering in ("linalg", "cpu"):
                lowered = self.lower(folder, module, lowering)
                agreement[lowering] = self.sqnr(lowered, parameters, outputs)
                if not agreement[lowering] >= LOWERED:
                    bad.append(f"{lowering} differs")
            if cell["gpu"] and cell["transformation"] == "none" and cell["rounding"] == "rtn":
                # Packed weights are laid out anew for the kernels, so they must be constants.
                run(self.tools / "quant-opt", module, f"--load-parameters=file={parameters}",
                    "--ptq-to-gpu=chip=sm_80", "-o", folder / "gpu.mlir")
                text = (folder / "gpu.mlir").read_text()
                if "gpu.launch_func" not in text or "ptq.weight_only_linear" in text or "ptq.integer_linear" in text:
                    bad.append("no kernel")
        line = (f"{cell['scheme']}, {cell['transformation']}, {cell['rounding']}: {measured:.2f} dB, in floats "
                f"{expected:.2f} dB; linalg {agreement['linalg']:.0f} dB, CPU {agreement['cpu']:.0f} dB")
        return line + "".join(f", FAILED: {reason}" for reason in bad), not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--only", default="", help="run the cells whose line this regular expression finds")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    listed = subprocess.run([options.tools / "ptq-schemes", "--json"], capture_output=True, text=True, check=True)
    cells = [cell for cell in json.loads(listed.stdout)
             if re.search(options.only, f"{cell['scheme']}, {cell['transformation']}, {cell['rounding']}")]
    good = bool(cells)
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runner = Cells(options.tools, options.model, pathlib.Path(work))

        def check(numbered):
            try:
                return runner.check(*numbered)
            except RuntimeError as error:
                cell = numbered[1]
                return f"{cell['scheme']}, {cell['transformation']}, {cell['rounding']}: {error}", False

        for line, passed in pool.map(check, enumerate(cells)):
            print(line, flush=True)
            good &= passed
    print(f"{len(cells)} cells")
    sys.exit(not good)


if __name__ == "__main__":
    main()
