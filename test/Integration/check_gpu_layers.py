#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs single layers as the executor does and as --ptq-to-gpu lowers them, on the emulator: the bits must agree.

  check_gpu_layers.py TOOLS_DIR [--only REGEX]

The lowered module is followed here, operation by operation: constants become files, launches calls of ptx-run with the
grid, the shared memory and the operands that they have, all checks on. So what is tested is what the pass makes around
kernels: layouts of constants, order of operands, grids, workspaces.
"""
import argparse
import array
import concurrent.futures
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

BYTES = {"i8": 1, "i32": 4, "f16": 2, "bf16": 2, "f32": 4}
SAFE = {"i8": "I8", "i32": "I32", "f16": "F16", "f32": "F32"}


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="surrogateescape")
    if result.returncode:
        raise RuntimeError(f"failed: {' '.join(map(str, command))}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")


def tensor_bytes(text):
    """Of "2x3xi8", the elements' number times their size."""
    *sizes, element = text.split("x")
    count = 1
    for size in sizes:
        count *= int(size)
    return count * BYTES[element]


class Random:
    """Data of a layer, the same in each run."""

    def __init__(self, seed):
        self.generator = random.Random(seed)

    def bytes(self, kind, count, low, high):
        if kind == "i8" and (low, high) == (-128, 127):
            return self.generator.randbytes(count)
        if kind == "i8":
            return array.array("b", (self.generator.randint(low, high) for _ in range(count))).tobytes()
        if kind == "f16":
            return struct.pack(f"<{count}e", *(self.generator.randint(low, high) for _ in range(count)))
        return array.array("f", (self.generator.uniform(low, high) for _ in range(count))).tobytes()

    def words(self, count):
        return self.generator.randbytes(4 * count)


def dense(data):
    return f'dense<"0x{data.hex().upper()}">'


TOKEN = "#ptq.scheme<bits = {bits}, {symmetry}, per_token, dynamic>"
CHANNEL = "#ptq.scheme<bits = {bits}, symmetric, per_channel>"


def integer_layer(m, n, k, weight, activation_bits=8, zero_points=False, bias=False, group=0, output="f32"):
    """An integer layer of rows of its own scales: its module and its inputs. weight: its bits, or "groups"."""
    data = Random(f"{m} {n} {k} {weight}")
    highest = 1 << (activation_bits - 1)
    inputs = {"q": ("i8", [m, k], data.bytes("i8", m * k, -highest, highest - 1)),
              "s": ("f32", [m], data.bytes("f32", m, 0.01, 0.02))}
    arguments = [f'%q: tensor<{m}x{k}xi8> {{ptq.input = "q"}}', f'%s: tensor<{m}xf32> {{ptq.input = "s"}}']
    operands, types = ["%q", "%s"], [f"tensor<{m}x{k}xi8>", f"tensor<{m}xf32>"]
    if zero_points:
        inputs["z"] = ("i8", [m], data.bytes("i8", m, -highest, highest - 1))
        arguments.append(f'%z: tensor<{m}xi8> {{ptq.input = "z"}}')
        types.append(f"tensor<{m}xi8>")
    lines = []
    if weight == "groups":
        lines += [f"%c = arith.constant {dense(data.words(n * ((k + 7) // 8)))} : tensor<{n}x{(k + 7) // 8}xi32>",
                  f"%gs = arith.constant {dense(data.bytes('i8', n * k // group, 1, 8))} : tensor<{n}x{k // group}xi8>",
                  f"%gz = arith.constant {dense(data.bytes('i8', n * k // group, -8, 7))} : tensor<{n}x{k // group}xi8>",
                  f"%w = ptq.expand_groups %c, %gs, %gz {{bits = 4}} : (tensor<{n}x{(k + 7) // 8}xi32>, "
                  f"tensor<{n}x{k // group}xi8>, tensor<{n}x{k // group}xi8>) -> tensor<{n}x{k}xi8>"]
        weight_type, bits = f"tensor<{n}x{k}xi8>", 8
    elif weight == 8:
        weight_type, bits = f"tensor<{n}x{k}xi8>", 8
        lines.append(f"%w = arith.constant {dense(data.bytes('i8', n * k, -128, 127))} : {weight_type}")
    else:
        words, bits = (k * weight + 31) // 32, weight
        weight_type = f"tensor<{n}x{words}xi32>"
        lines.append(f"%w = arith.constant {dense(data.words(n * words))} : {weight_type}")
    lines.append(f"%ws = arith.constant {dense(data.bytes('f32', n, 0.001, 0.002))} : tensor<{n}x1xf32>")
    types += [weight_type, f"tensor<{n}x1xf32>"]
    operand_text = "%q, %s" + (" x_zero_points %z" if zero_points else "") + ", %w, %ws"
    if bias:
        lines.append(f"%b = arith.constant {dense(data.bytes('f32', n, -1, 1))} : tensor<{n}xf32>")
        operand_text += " bias %b"
        types.append(f"tensor<{n}xf32>")
    activation = TOKEN.format(bits=activation_bits, symmetry="asymmetric" if zero_points else "symmetric")
    lines.append(f'%y = ptq.integer_linear {operand_text} {{layer = "layer", activation_scheme = {activation}, '
                 f"weight_scheme = {CHANNEL.format(bits=bits)}}} : ({', '.join(types)}) -> tensor<{m}x{n}x{output}>")
    return module(arguments, lines, f"tensor<{m}x{n}x{output}>"), inputs


def weight_only_layer(m, n, k, bits, group=0):
    """A layer whose products and sums are exact in float32, whatever their order."""
    data = Random(f"{m} {n} {k} {bits} {group}")
    inputs = {"x": ("f16", [m, k], data.bytes("f16", m * k, -8, 8))}
    words, groups = (k * bits + 31) // 32, k // group if group else 1
    scheme = f"#ptq.scheme<bits = {bits}, symmetric, {f'per_group({group})' if group else 'per_channel'}>"
    lines = [f"%w = arith.constant {dense(data.words(n * words))} : tensor<{n}x{words}xi32>",
             f"%s = arith.constant dense<0.125> : tensor<{n}x{groups}xf16>",
             f'%y = ptq.weight_only_linear %x, %w, %s {{layer = "layer", scheme = {scheme}}} : (tensor<{m}x{k}xf16>, '
             f"tensor<{n}x{words}xi32>, tensor<{n}x{groups}xf16>) -> tensor<{m}x{n}xf16>"]
    return module([f'%x: tensor<{m}x{k}xf16> {{ptq.input = "x"}}'], lines, f"tensor<{m}x{n}xf16>"), inputs


def module(arguments, lines, result):
    body = "\n".join("  " + line for line in lines)
    return f"func.func @main({', '.join(arguments)}) -> {result} {{\n{body}\n  return %y : {result}\n}}\n"


# Name, chip, kernels that the lowered module must launch, layer.
CASES = [
    ("W8A8", "sm_80", ["integer_linear_"], lambda: integer_layer(33, 72, 144, 8, zero_points=True, bias=True)),
    ("W8A8 splits", "sm_80", ["integer_linear_.*_split"], lambda: integer_layer(3, 100, 4096, 8, output="f16")),
    ("W8A8 columns that are no power of two", "sm_80", ["integer_linear_.*_128x80x128_"],
     lambda: integer_layer(250, 4010, 1024, 8)),
    ("W4A16 splits", "sm_80", ["weight_only_linear_.*_split"], lambda: weight_only_layer(5, 70, 4096, 4)),
    ("W4A16 groups", "sm_89", ["weight_only_linear_b4_g64_"], lambda: weight_only_layer(40, 100, 192, 4, 64)),
    ("W4A8", "sm_80", ["packed_integer_linear_a8_g0_"],
     lambda: integer_layer(37, 70, 200, 4, zero_points=True, bias=True)),
    ("W4A8 Hopper", "sm_90a", ["packed_integer_linear_a8_g0_"], lambda: integer_layer(5, 33, 40, 4, output="f16")),
    ("W3A8", "sm_86", ["packed_integer_linear_a8_g0_"], lambda: integer_layer(20, 40, 96, 3)),
    ("W4A8 progressive groups", "sm_80", ["packed_integer_linear_a8_g32_"],
     lambda: integer_layer(19, 45, 160, "groups", zero_points=True, group=32)),
    ("W4A8 progressive groups of 128", "sm_90a", ["packed_integer_linear_a8_g128_"],
     lambda: integer_layer(70, 64, 384, "groups", group=128, bias=True)),
    ("W4A4 few rows", "sm_80", ["packed_integer_linear_a8_g0_"], lambda: integer_layer(9, 40, 100, 4, activation_bits=4)),
    ("W4A4", "sm_86", ["pack_activations_", "packed_integer_linear_a4_g0_"],
     lambda: integer_layer(1000, 1010, 2000, 4, activation_bits=4, zero_points=True)),
]


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": SAFE[kind], "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_only_tensor(path):
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    (entry,) = (e for name, e in json.loads(content[8:8 + size]).items() if name != "__metadata__")
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    return content[begin:end]


def unescape(literal):
    return re.sub(r'\\([0-9A-Fa-f]{2}|["\\])', lambda m: m[1] if m[1] in '"\\' else chr(int(m[1], 16)), literal)


class Lowered:
    """Follows a lowered module; a value is a number, or a file and its bytes."""

    def __init__(self, tools, folder, text, inputs):
        self.tools, self.folder = tools, folder
        self.values, self.launched = {}, []
        self.resources = {m[1].strip('"'): bytes.fromhex(m[2])[4:] for m in re.finditer(r'^ *([\w."]+): "0x([0-9A-F]*)"', text, re.M)}
        ptx = re.search(r'assembly = "((?:[^"\\]|\\.)*)"', text)
        self.ptx = folder / "kernels.ptx"
        self.ptx.write_text(unescape(ptx[1]))
        self.lines = text.splitlines()
        self.inputs = list(inputs.values())

    def file(self, data):
        path = self.folder / f"{len(self.values)}.bin"
        path.write_bytes(data)
        return path, len(data)

    def constant(self, attribute, kind):
        if not kind.startswith("tensor<"):
            return int(attribute)
        size = tensor_bytes(kind[7:-1])
        if match := re.match(r"dense_resource<(.*)>", attribute):
            data = self.resources[match[1].strip('"')]
        elif match := re.match(r'dense<"0x([0-9A-F]*)">', attribute):
            data = bytes.fromhex(match[1])
        else:
            raise RuntimeError(f"a constant that is no resource: {attribute[:80]}")
        element = BYTES[kind[7:-1].split("x")[-1]]
        return self.file(data * (size // element) if len(data) == element else data)

    def launch(self, kernel, grid, block, shared, operands):
        self.launched.append(kernel)
        command = [self.tools / "ptx-run", self.ptx, f"--entry={kernel}", f"--grid={grid}", f"--block={block}",
                   f"--shared={shared}"]
        for operand in operands:
            value = self.values[operand]
            if isinstance(value, int):
                command.append(f"u32:{value}")
            elif isinstance(value[0], pathlib.Path):
                command.append(f"inout:{value[0]}")
            else:  # memory that is not written yet
                path = self.folder / f"{operand[1:]}.bin"
                command.append(f"out:{path}:{value[1]}")
                self.values[operand] = (path, value[1])
        run(*command)

    def run(self):
        """The bytes of the result."""
        shape, value = r"<([0-9a-z]+)>", r"(%[\w#]+)"
        for line in self.lines:
            line = line.strip()
            if line.startswith("func.func"):
                for name, data in zip(re.findall(r"(%arg\d+):", line), self.inputs):
                    self.values[name] = self.file(data[2])
            elif m := re.match(rf"{value} = arith.constant (?:{{[^}}]*}} )?", line):
                attribute, _, kind = line[m.end():].rpartition(" : ")
                self.values[m[1]] = self.constant(attribute, kind)
            elif m := re.match(rf"{value} = (?:bufferization.to_buffer|tensor.expand_shape|tensor.collapse_shape) {value}", line):
                self.alias(m[1], m[2])
            elif m := re.match(rf"{value} = bufferization.to_tensor {value}", line):
                self.alias(m[1], m[2])
            elif m := re.match(rf"{value} = memref.alloc\(\).* : memref{shape}", line):
                self.values[m[1]] = (None, tensor_bytes(m[2]))
            elif m := re.match(rf"{value} = tensor.empty\(\) : tensor{shape}", line):
                self.values[m[1]] = (None, tensor_bytes(m[2]))
            elif m := re.match(rf"{value} = linalg.fill ins\({value} : i32\) outs\({value} ", line):
                assert self.values[m[2]] == 0
                self.values[m[1]] = self.file(bytes(self.values[m[3]][1]))
            elif m := re.match(rf"gpu.launch_func\s+@\w+::@(\w+) blocks in \({value}, {value}, {value}\) threads in "
                               rf"\({value}, .*?\)\s+dynamic_shared_memory_size {value} args\((.*)\)", line):
                self.launch(m[1], self.values[m[2]], self.values[m[5]], self.values[m[6]],
                            re.findall(rf"{value} :", m[7]))
            elif m := re.match(rf"return {value}", line):
                return self.values[m[1]][0].read_bytes()
            elif re.match(r"(module|\}|$)", line):
                continue
            else:
                raise RuntimeError(f"an operation that is not followed: {line[:120]}")
        raise RuntimeError("no return")

    def alias(self, to, of):
        self.values[to] = self.values[of]


def check(tools, case):
    name, chip, kernels, layer = case
    text, inputs = layer()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        source, lowered, io, out = (folder / file for file in ("m.mlir", "gpu.mlir", "io.safetensors", "y.safetensors"))
        source.write_text(text)
        write_safetensors(io, inputs)
        run(tools / "quant-run", source, f"--inputs={io}", f"--outputs={out}")
        run(tools / "quant-opt", source, f"--ptq-to-gpu=chip={chip}", "--canonicalize",
            "--mlir-print-elementsattrs-with-hex-if-larger=0", "-o", lowered)
        machine = Lowered(tools, folder, lowered.read_text(), inputs)
        actual, expected = machine.run(), read_only_tensor(out)
        if len(machine.launched) != len(kernels) or not all(map(re.match, kernels, machine.launched)):
            return f"{name}: launches {machine.launched}, not {kernels}", False
        differ = sum(a != b for a, b in zip(actual, expected))
        good = len(actual) == len(expected) and not differ
        return f"{name}: {'equal' if good else f'{differ} of {len(expected)} bytes differ'}", good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    passed = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line, good in pool.map(lambda case: check(options.tools, case),
                                   [case for case in CASES if re.search(options.only, case[0])]):
            print(line, flush=True)
            passed &= good
    sys.exit(not passed)
