#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a Llama-shaped model of any size: IR in the form torch-mlir gives it, and its weights as a sparse file.

  generate_llama.py OUT_DIR [--layers 32] [--hidden 4096] [--intermediate 11008] [--heads 32] [--kv-heads 8]
                    [--vocabulary 32000] [--length 256]

OUT_DIR/model.mlir has parameters as arguments with `ptq.parameter`; OUT_DIR/weights.safetensors has all of them,
zero, in a file that takes no room on disk. For measuring what does not depend on the weights' values.
"""
import argparse
import json
import os
import pathlib
import struct


class Function:
    """The text of a function, one operation a line."""

    def __init__(self):
        self.lines, self.count, self.arguments = [], 0, []

    def value(self):
        self.count += 1
        return f"%v{self.count}"

    def op(self, text):
        name = self.value()
        self.lines.append(f"    {name} = {text}")
        return name

    def parameter(self, key, shape):
        name = f"%arg{len(self.arguments)}"
        self.arguments.append((name, tensor(shape), "ptq.parameter", key, shape))
        return name

    def empty(self, shape):
        return self.op(f"tensor.empty() : {tensor(shape)}")

    def fill(self, shape, constant="%zero"):
        return self.op(f"linalg.fill ins({constant} : f32) outs({self.empty(shape)} : {tensor(shape)}) -> {tensor(shape)}")

    def transpose(self, x, shape, permutation):
        result = [shape[i] for i in permutation]
        return self.op(f"linalg.transpose ins({x} : {tensor(shape)}) outs({self.empty(result)} : {tensor(result)}) "
                       f"permutation = {permutation}")

    def generic(self, inputs, shape, body, init=None, reduce=False):
        """inputs: (value, shape, map results); the result is `body` of %0, %1, …; %o is the init's element."""
        rank = len(inputs[0][1]) if reduce else len(shape)
        dims = ", ".join(f"d{i}" for i in range(rank))
        out = [f"d{i}" for i in range(rank)]
        if reduce:
            out[-1] = "0"
        maps = [f"affine_map<({dims}) -> ({', '.join(m)})>" for _, _, m in inputs]
        maps.append(f"affine_map<({dims}) -> ({', '.join(out)})>")
        kinds = ['"parallel"'] * rank
        if reduce:
            kinds[-1] = '"reduction"'
        arguments = ", ".join(f"%i{k}: f32" for k in range(len(inputs)))
        init = init or self.empty(shape)
        return self.op(
            f"linalg.generic {{indexing_maps = [{', '.join(maps)}], iterator_types = [{', '.join(kinds)}]}} "
            f"ins({', '.join(v for v, _, _ in inputs)} : {', '.join(tensor(s) for _, s, _ in inputs)}) "
            f"outs({init} : {tensor(shape)}) {{\n    ^bb0({arguments}, %o: f32):\n      {body}\n"
            f"      linalg.yield %r : f32\n    }} -> {tensor(shape)}")


def tensor(shape, element="f32"):
    return f"tensor<{'x'.join(map(str, shape))}x{element}>"


def identity(rank):
    return [f"d{i}" for i in range(rank)]


def linear(f, x, tokens, width, key, out):
    weight = f.transpose(f.parameter(key, [out, width]), [out, width], [1, 0])
    flat = f.op(f"tensor.collapse_shape {x} [[0, 1], [2]] : {tensor([1, tokens, width])} into {tensor([tokens, width])}")
    product = f.op(f"linalg.matmul ins({flat}, {weight} : {tensor([tokens, width])}, {tensor([width, out])}) "
                   f"outs({f.fill([tokens, out])} : {tensor([tokens, out])}) -> {tensor([tokens, out])}")
    return f.op(f"tensor.expand_shape {product} [[0, 1], [2]] output_shape [1, {tokens}, {out}] : "
                f"{tensor([tokens, out])} into {tensor([1, tokens, out])}")


def rms_norm(f, x, tokens, width, key):
    full, reduced, last = [1, tokens, width], [1, tokens, 1], ["d0", "d1", "0"]
    square = f.generic([(x, full, identity(3))], full, "%r = math.fpowi %i0, %two : f32, i64")
    total = f.generic([(square, full, identity(3))], reduced, "%r = arith.addf %i0, %o : f32", f.fill(reduced), True)
    scale = f.generic([(total, reduced, identity(3))], reduced,
                      f"%m = arith.divf %i0, %width : f32\n      %e = arith.addf %m, %epsilon : f32\n"
                      "      %r = math.rsqrt %e : f32")
    normal = f.generic([(x, full, identity(3)), (scale, reduced, last)], full, "%r = arith.mulf %i0, %i1 : f32")
    weight = f.parameter(key, [width])
    return f.generic([(weight, [width], ["d2"]), (normal, full, identity(3))], full, "%r = arith.mulf %i0, %i1 : f32")


def heads(f, x, tokens, count, repeat, size):
    split = f.op(f"tensor.expand_shape {x} [[0], [1], [2, 3]] output_shape [1, {tokens}, {count}, {size}] : "
                 f"{tensor([1, tokens, count * size])} into {tensor([1, tokens, count, size])}")
    x = f.transpose(split, [1, tokens, count, size], [0, 2, 1, 3])
    if repeat == 1:
        return f.op(f"tensor.collapse_shape {x} [[0, 1], [2], [3]] : {tensor([1, count, tokens, size])} into "
                    f"{tensor([count, tokens, size])}")
    wide = [1, count, repeat, tokens, size]
    x = f.generic([(x, [1, count, tokens, size], ["d0", "d1", "d3", "d4"])], wide, "%r = arith.addf %i0, %zero : f32")
    return f.op(f"tensor.collapse_shape {x} [[0, 1, 2], [3], [4]] : {tensor(wide)} into "
                f"{tensor([count * repeat, tokens, size])}")


def batch_matmul(f, a, b, shapes):
    (n, m, k), (_, _, p) = shapes
    return f.op(f"linalg.batch_matmul ins({a}, {b} : {tensor([n, m, k])}, {tensor([n, k, p])}) "
                f"outs({f.fill([n, m, p])} : {tensor([n, m, p])}) -> {tensor([n, m, p])}")


def attention(f, x, a, prefix):
    size, t = a.hidden // a.heads, a.length
    repeat = a.heads // a.kv_heads
    q = heads(f, linear(f, x, t, a.hidden, prefix + "q_proj.weight", a.hidden), t, a.heads, 1, size)
    k = heads(f, linear(f, x, t, a.hidden, prefix + "k_proj.weight", a.kv_heads * size), t, a.kv_heads, repeat, size)
    v = heads(f, linear(f, x, t, a.hidden, prefix + "v_proj.weight", a.kv_heads * size), t, a.kv_heads, repeat, size)
    k = f.transpose(k, [a.heads, t, size], [0, 2, 1])
    shape, reduced, last = [a.heads, t, t], [a.heads, t, 1], ["d0", "d1", "0"]
    scores = batch_matmul(f, q, k, ([a.heads, t, size], [a.heads, size, t]))
    top = f.generic([(scores, shape, identity(3))], reduced, "%r = arith.maximumf %i0, %o : f32",
                    f.fill(reduced, "%lowest"), True)
    powers = f.generic([(scores, shape, identity(3)), (top, reduced, last)], shape,
                       "%s = arith.subf %i0, %i1 : f32\n      %r = math.exp %s : f32")
    total = f.generic([(powers, shape, identity(3))], reduced, "%r = arith.addf %i0, %o : f32", f.fill(reduced), True)
    p = f.generic([(powers, shape, identity(3)), (total, reduced, last)], shape, "%r = arith.divf %i0, %i1 : f32")
    o = batch_matmul(f, p, v, (shape, [a.heads, t, size]))
    o = f.op(f"tensor.expand_shape {o} [[0, 1], [2], [3]] output_shape [1, {a.heads}, {t}, {size}] : "
             f"{tensor([a.heads, t, size])} into {tensor([1, a.heads, t, size])}")
    o = f.transpose(o, [1, a.heads, t, size], [0, 2, 1, 3])
    o = f.op(f"tensor.collapse_shape {o} [[0], [1], [2, 3]] : {tensor([1, t, a.heads, size])} into "
             f"{tensor([1, t, a.hidden])}")
    return linear(f, o, t, a.hidden, prefix + "o_proj.weight", a.hidden)


def mlp(f, x, a, prefix):
    shape = [1, a.length, a.intermediate]
    gate = linear(f, x, a.length, a.hidden, prefix + "gate_proj.weight", a.intermediate)
    up = linear(f, x, a.length, a.hidden, prefix + "up_proj.weight", a.intermediate)
    sigmoid = f.generic([(gate, shape, identity(3))], shape,
                        "%n = arith.negf %i0 : f32\n      %x = math.exp %n : f32\n"
                        "      %d = arith.addf %x, %one : f32\n      %r = arith.divf %one, %d : f32")
    silu = f.generic([(sigmoid, shape, identity(3)), (gate, shape, identity(3))], shape, "%r = arith.mulf %i0, %i1 : f32")
    product = f.generic([(silu, shape, identity(3)), (up, shape, identity(3))], shape, "%r = arith.mulf %i0, %i1 : f32")
    return linear(f, product, a.length, a.intermediate, prefix + "down_proj.weight", a.hidden)


def model(a):
    f = Function()
    full = [1, a.length, a.hidden]
    table = f.parameter("model.embed_tokens.weight", [a.vocabulary, a.hidden])
    x = f.op(f"linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1)>, "
             f"affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = [\"parallel\", \"parallel\", \"parallel\"]}} "
             f"ins(%ids : tensor<1x{a.length}xi64>) outs({f.empty(full)} : {tensor(full)}) {{\n    ^bb0(%i: i64, %o: f32):\n"
             f"      %row = arith.index_cast %i : i64 to index\n      %column = linalg.index 2 : index\n"
             f"      %r = tensor.extract {table}[%row, %column] : {tensor([a.vocabulary, a.hidden])}\n"
             f"      linalg.yield %r : f32\n    }} -> {tensor(full)}")
    add = lambda p, q: f.generic([(p, full, identity(3)), (q, full, identity(3))], full, "%r = arith.addf %i0, %i1 : f32")
    for i in range(a.layers):
        prefix = f"model.layers.{i}."
        normal = rms_norm(f, x, a.length, a.hidden, prefix + "input_layernorm.weight")
        x = add(x, attention(f, normal, a, prefix + "self_attn."))
        normal = rms_norm(f, x, a.length, a.hidden, prefix + "post_attention_layernorm.weight")
        x = add(x, mlp(f, normal, a, prefix + "mlp."))
    x = rms_norm(f, x, a.length, a.hidden, "model.norm.weight")
    result = linear(f, x, a.length, a.hidden, "lm_head.weight", a.vocabulary)
    arguments = [f'%ids: tensor<1x{a.length}xi64> {{ptq.input = "ids"}}']
    arguments += [f'{name}: {kind} {{{attribute} = "{key}"}}' for name, kind, attribute, key, _ in f.arguments]
    output = tensor([1, a.length, a.vocabulary])
    constants = {"zero": "0.0 : f32", "one": "1.0 : f32", "two": "2 : i64", "width": f"{float(a.hidden)} : f32",
                 "epsilon": "1.0e-5 : f32", "lowest": "0xFF800000 : f32"}
    head = "\n".join(f"    %{name} = arith.constant {value}" for name, value in constants.items())
    text = (f"module {{\n  func.func @main({', '.join(arguments)}) -> {output} {{\n{head}\n" + "\n".join(f.lines) +
            f"\n    return {result} : {output}\n  }}\n}}\n")
    return text, {key: shape for _, _, _, key, shape in f.arguments}


def write_sparse(path, shapes):
    header, offset = {}, 0
    for key, shape in shapes.items():
        size = 4
        for extent in shape:
            size *= extent
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + 56)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        os.truncate(file.fileno(), 8 + len(text) + offset)
    return offset


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    for name, default in dict(layers=32, hidden=4096, intermediate=11008, heads=32, kv_heads=8, vocabulary=32000,
                              length=256).items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    text, shapes = model(options)
    (options.out / "model.mlir").write_text(text)
    size = write_sparse(options.out / "weights.safetensors", shapes)
    print(f"{len(shapes)} parameters, {size / 1e9:.1f} GB")
