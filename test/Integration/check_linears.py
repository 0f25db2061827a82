#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks --raise-linear against what torch ran, for every model in test/Models.

  check_linears.py QUANT_OPT MODELS

linears.txt lists each linear layer that ran, in order: name, shape, kind. The raised layers must be the same ones
with the same shapes, no more and no less. A Conv1D's shape is [in, out]. A head whose weight is tied to the
embedding is found under the embedding's name. Products of two activations must all be there still.
"""
import collections
import pathlib
import re
import subprocess
import sys

LAYER = re.compile(r'ptq\.linear .*?layer = "([^"]*)".*? : \((.*?)\) -> (tensor<\S+>)')
CONTRACTION = re.compile(r"linalg\.(?:batch_)?(?:matmul|vecmat|matvec)\b")
PARAMETER = re.compile(r'tensor<([0-9x]*)[a-z]+[0-9]*> \{ptq\.parameter = "([^"]*)"\}')


def shape(tensor):
    return [int(size) for size in re.findall(r"(\d+)x", tensor)]


def expected_layers(folder, parameters):
    layers = collections.Counter()
    for line in (folder / "linears.txt").read_text().splitlines():
        name, rows, columns, kind = re.fullmatch(r"(\S+) \[(\d+), (\d+)\] (\w+)", line).groups()
        size = (int(rows), int(columns)) if kind != "Conv1D" else (int(columns), int(rows))
        if f"{name}.weight" not in parameters:
            # Tied: the one other parameter of that shape that is an embedding.
            owners = [key for key, other in parameters.items() if tuple(other) == size and "emb" in key or "wte" in key]
            if len(owners) != 1:
                raise ValueError(f"{name} has no weight, and {len(owners)} embeddings could be tied to it")
            name = owners[0].removesuffix(".weight")
        layers[name, size] += 1
    return layers


def check(quant_opt, folder):
    model = folder / "model.mlir"
    before = model.read_text()
    parameters = {key: [int(size) for size in sizes.rstrip("x").split("x")] if sizes else []
                  for sizes, key in PARAMETER.findall(before)}
    result = subprocess.run([quant_opt, model, "--raise-linear"], capture_output=True, text=True)
    if result.returncode:
        return [result.stderr]
    problems = []
    if "not raised" in result.stderr:
        problems.append(f"declined: {result.stderr}")
    found = collections.Counter()
    for name, operands, _ in LAYER.findall(result.stdout):
        weight = re.findall(r"tensor<[^>]*>", operands)[1]
        found[re.sub(r"@\d+$", "", name), tuple(shape(weight))] += 1
    if sum(found.values()) != result.stdout.count("ptq.linear"):
        problems.append("the output has ptq.linear operations that this test cannot read")
    expected = expected_layers(folder, parameters)
    for layer in expected - found:
        problems.append(f"missing: {layer[0]} {list(layer[1])}")
    for layer in found - expected:
        problems.append(f"not in linears.txt: {layer[0]} {list(layer[1])}")
    # Every contraction is a layer or, as before, one of attention's products of two activations.
    contractions, left = (len(CONTRACTION.findall(text)) for text in (before, result.stdout))
    if left + sum(found.values()) != contractions:
        problems.append(f"{contractions} contractions became {sum(found.values())} layers and {left} products")
    if left != before.count("linalg.batch_matmul"):
        problems.append(f"{before.count('linalg.batch_matmul')} products of activations became {left}")
    print(f"{folder.name}: {sum(found.values())} layers, {left} products of activations", flush=True)
    return problems


def main():
    quant_opt, models = sys.argv[1:]
    failed = False
    folders = sorted(path.parent for path in pathlib.Path(models).glob("*/linears.txt"))
    if not folders:
        sys.exit(f"no model in {models}")
    for folder in folders:
        for problem in check(quant_opt, folder):
            print(f"{folder.name}: {problem}", file=sys.stderr)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
