#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantizes a real model with several settings and checks how good the results are.

  check_quality.py TOOLS_DIR MODEL_DIR WEIGHTS CASES.json [--only REGEX]

CASES.json: {"samples": "calibration.safetensors", "evaluation": "evaluation.safetensors", "input": "ids",
"float": [least, greatest], "cases": [{"passes": ["--gptq=bits=4"], "perplexity": [least, greatest]}, …]}.

Each case's passes run after --load-parameters and, where they need samples, --calibrate. After the last transformation
of a case, before it is rounded, --verify-equivalence must agree with the model as it was loaded. "max_samples" limits
the calibration samples, for all cases or for one, "evaluation_samples" those of the evaluation.

What is measured is the perplexity on "input". With "embedding": {"output": NAME, "mask": NAME} instead it is the mean,
over the evaluation samples, of the cosine between the float and the quantized model's sentence embedding, which is
the mean of the output over the tokens that the mask names; bounds are "cosine": [least, greatest].
"""
import argparse
import array
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

TRANSFORMATIONS = ("--smoothquant", "--awq")
TOLERANCE = 1e-4


def run(*command):
    """What the command wrote to stderr."""
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"failed: {' '.join(map(str, command))}\n{result.stderr[-4000:]}")
    return result.stderr


def read_tensor(path, name):
    """The shape and the elements of a tensor in a safetensors file."""
    codes = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "BOOL": "b", "I8": "b"}
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        entry = json.loads(file.read(size))[name]
        begin, end = entry["data_offsets"]
        file.seek(8 + size + begin)
        elements = array.array(codes[entry["dtype"]])
        elements.frombytes(file.read(end - begin))
    if sys.byteorder == "big":
        elements.byteswap()
    return entry["shape"], elements


def embeddings(path, output, mask):
    """For each sample the mean of the output [samples, …, tokens, width] over the tokens that the mask names."""
    shape, values = read_tensor(path, output)
    samples, tokens, width = shape[0], shape[-2], shape[-1]
    assert len(values) == samples * tokens * width and len(mask) >= samples * tokens, shape
    result = []
    for sample in range(samples):
        rows = [sample * tokens + t for t in range(tokens) if mask[sample * tokens + t]]
        columns = zip(*(values[row * width:(row + 1) * width] for row in rows))
        result.append([math.fsum(column) / len(rows) for column in columns])
    return result


def cosine(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


class Quality:
    def __init__(self, tools, folder, weights, cases, work):
        self.tools, self.folder, self.weights, self.cases, self.work = tools, folder, weights, cases, work
        self.evaluation = folder / cases["evaluation"]
        self.reference = None
        if "embedding" in cases:
            self.mask = read_tensor(self.evaluation, cases["embedding"]["mask"])[1]

    def measure(self, model, parameters):
        """The perplexity, or the mean cosine with the embeddings of the first model that was measured."""
        out, outputs = self.work / "run.json", self.work / "outputs.safetensors"
        command = [self.tools / "quant-run", model, f"--parameters={parameters}", f"--inputs={self.evaluation}",
                   f"--max-samples={self.cases.get('evaluation_samples', 0)}"]
        if "embedding" not in self.cases:
            run(*command, f"--perplexity={self.cases['input']}", f"--json={out}")
            return json.loads(out.read_text())["perplexity"]
        run(*command, f"--outputs={outputs}")
        found = embeddings(outputs, self.cases["embedding"]["output"], self.mask)
        self.reference = self.reference or found
        return sum(map(cosine, self.reference, found)) / len(found)

    def quantize(self, case):
        model, packed = self.work / "model.mlir", self.work / "model.safetensors"
        passes = list(case["passes"])
        transformed = [i for i, name in enumerate(passes) if re.split("[= ]", name)[0] in TRANSFORMATIONS]
        if transformed:
            passes.insert(transformed[-1] + 1, f"--verify-equivalence=tolerance={TOLERANCE} max-samples=4")
        # Samples are needed unless all that runs is rounding to nearest.
        if any(not name.startswith("--rtn") or "static" in name for name in passes):
            limit = case.get("max_samples", self.cases.get("max_samples", 0))
            passes.insert(0, f"--calibrate=data={self.folder / self.cases['samples']} max-samples={limit}")
        messages = run(self.tools / "quant-opt", self.folder / "model.mlir", f"--load-parameters=file={self.weights}",
                       *passes, f"--save-parameters=file={packed}", "-o", model)
        if transformed and "verify-equivalence: agrees with the module as it was loaded" not in messages:
            raise RuntimeError(f"--verify-equivalence did not report:\n{messages[-4000:]}")
        return model, packed


def check(name, value, bounds, metric, start):
    least, greatest = bounds
    good = least <= value <= greatest
    print(f"{name}: {metric} {value:.5f}, allowed {least} to {greatest}{'' if good else ', FAILED'} "
          f"({time.monotonic() - start:.0f} s)", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tools", "model", "weights", "cases"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--only", default="", help="run the cases whose passes this regular expression finds")
    options = parser.parse_args()
    cases = json.loads(options.cases.read_text())
    metric = "cosine" if "embedding" in cases else "perplexity"
    with tempfile.TemporaryDirectory() as temporary:
        quality = Quality(options.tools, options.model, options.weights, cases, pathlib.Path(temporary))
        start = time.monotonic()
        good = check("float", quality.measure(options.model / "model.mlir", options.weights), cases["float"], metric,
                     start)
        for case in cases["cases"]:
            name = " ".join(case["passes"])
            if not re.search(options.only, name):
                continue
            start = time.monotonic()
            try:
                value = quality.measure(*quality.quantize(case))
            except RuntimeError as error:
                print(f"{name}: {error}", flush=True)
                good = False
                continue
            good &= check(name, value, case[metric], metric, start)
    sys.exit(not good)


if __name__ == "__main__":
    main()
