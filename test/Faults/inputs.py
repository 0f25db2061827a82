# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the inputs of the fault tables are made: small models as text, safetensors files as bytes."""
import json
import struct


def linear(rows=4, width=8, out=8, weight=None, extra="", attribute=""):
    """A module with one linear layer 'fc' of x [rows, width]; `weight` is a constant's text, or the parameter fc.weight.
    Behind it is a tanh: a layer whose result is the model's is a head, which passes leave alone."""
    argument = "" if weight else f', %w: tensor<{out}x{width}xf32> {{ptq.parameter = "fc.weight"}}'
    constant = f'  %w = arith.constant {{ptq.key = "fc.weight"}} {weight} : tensor<{out}x{width}xf32>\n' if weight else ""
    return f"""func.func @main(%x: tensor<{rows}x{width}xf32> {{ptq.input = "x"}}{argument}) -> tensor<{rows}x{out}xf32> {{
{constant}{extra}  %0 = ptq.linear %x, %w {{layer = "fc"{attribute}}} : (tensor<{rows}x{width}xf32>, tensor<{out}x{width}xf32>) -> tensor<{rows}x{out}xf32>
  %1 = math.tanh %0 : tensor<{rows}x{out}xf32>
  return %1 : tensor<{rows}x{out}xf32>
}}
"""


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def raw(header, body=b"", length=None):
    """A safetensors file with any header, and any length said for it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def tensors(**values):
    """A well-formed file; each value is (shape, list of floats). '__' in a name stands for '.'."""
    header, body = {}, b""
    for name, (shape, numbers) in values.items():
        data = floats(numbers)
        header[name.replace("__", ".")] = entry("F32", shape, len(body), len(body) + len(data))
        body += data
    return raw(header, body)


def wave(count, scale=1.0):
    """Deterministic numbers in [-scale, scale], no two neighbours alike."""
    return [scale * ((i * 37 + 11) % 101 - 50) / 50 for i in range(count)]


def weight(values=None, rows=8, width=8):
    return tensors(fc__weight=([rows, width], values or wave(rows * width)))


def samples(values=None, count=3, rows=4, width=8):
    return tensors(x=([count, rows, width], values or wave(count * rows * width)))


def statistics(absmax=None, mean=None, tokens=7, width=8, gram=None, shared=None):
    absmax, mean = absmax or [1.0] * width, mean or [0.5] * width
    body, header = floats(absmax) + floats(mean), {}
    header["fc.absmax"] = entry("F32", [len(absmax)], 0, 4 * len(absmax))
    header["fc.mean_abs"] = entry("F32", [len(mean)], 4 * len(absmax), len(body))
    header["fc.tokens"] = entry("I64", [1], len(body), len(body) + 8)
    body += struct.pack("<q", tokens)
    if gram:
        header["fc.gram"] = entry("F32", gram, len(body), len(body) + 4 * gram[0] * gram[1])
        body += bytes(4 * gram[0] * gram[1])
    if shared is not None:
        header["__metadata__"] = {"shared": shared}
    return raw(header, body)


def index(**weight_map):
    return json.dumps({"weight_map": {name.replace("__", "."): shard for name, shard in weight_map.items()}})
