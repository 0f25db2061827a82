# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Published quantized GEMMs: how each is compiled to PTX, laid out, launched, and what it has to give.

All inputs are small integers and scales powers of two, so that what is to come out is exact but for the rounding to
the type of the output (and of partial sums in it)."""
import dataclasses

import numpy as np

rng = np.random.default_rng(0)


@dataclasses.dataclass
class Run:
    """A launch. `arguments`: as ptx-run has them, an array standing for a buffer that goes in, ("out", name, bytes) for
    one that comes out."""
    title: str
    entry: str
    grid: str
    block: str
    shared: int
    arguments: list
    wanted: np.ndarray
    type: type
    splits: int = 1
    tolerance: float = 0.0


def integers(low, high, shape, type):
    return rng.integers(low, high, shape).astype(type)


def powers(low, high, shape, type):
    return (2.0 ** rng.integers(low, high, shape)).astype(type)


def permutation(rows, interleave):
    """Of Marlin's 16 x 64 blocks of weights: `rows(i)` are the rows of a column that lane i % 4 holds."""
    result = []
    for lane in range(32):
        block = [16 * row + lane // 4 + 8 * half for half in (0, 1) for row in rows(lane % 4)]
        for tile in range(4):
            result += [index + 256 * tile for index in block]
    return np.array(result).reshape(-1, 8)[:, interleave].ravel()


def pack_marlin(values, order):
    k, n = values.shape
    tiles = values.reshape(k // 16, 16, n // 16, 16).transpose(0, 2, 1, 3).reshape(-1, 1024)
    words = tiles[:, order].reshape(k // 16, n * 16).astype(np.uint32) & 15
    return sum(words[:, lane::8] << np.uint32(4 * lane) for lane in range(8))


GROUPED = [i + 8 * j for i in range(8) for j in range(8)]
SINGLE = [2 * i + j for i in range(4) for j in (0, 1, 8, 9, 16, 17, 24, 25)]


def permute_scales(scales, grouped):
    order = GROUPED if grouped else SINGLE
    return np.ascontiguousarray(scales.reshape(-1, len(order))[:, order].reshape(scales.shape))


def marlin(entries):
    """vLLM's Marlin: W4A16, float16, symmetric."""
    order = permutation(lambda i: (2 * i, 2 * i + 1, 2 * i + 8, 2 * i + 9), [0, 2, 4, 6, 1, 3, 5, 7])
    cases = [("Li256ELi1ELi8ELi8ELb1ELi4ELi8E", 256, 5, 256, 256, 128, 3, 1),
             ("Li256ELi1ELi8ELi8ELb1ELi4ELi8E", 256, 8, 256, 512, 128, 5, 0),
             ("Li256ELi1ELi8ELi8ELb0ELi4ELin1E", 256, 16, 384, 512, None, 5, 1),
             ("Li256ELi4ELi16ELi4ELb0ELi4ELi8E", 256, 50, 256, 512, 128, 3, 0),
             ("Li128ELi2ELi8ELi4ELb0ELi4ELin1E", 128, 32, 256, 256, None, 5, 1)]
    for tag, threads, m, n, k, group, blocks, reduce in cases:
        a, q = integers(-4, 5, (m, k), np.float16), integers(0, 16, (k, n), np.int64)
        s = powers(-2, 2, (k // (group or k), n), np.float16)
        wanted = a.astype(float) @ ((q - 8) * s.astype(float)[np.arange(k) // (group or k)])
        yield Run(f"marlin {m} x {n} x {k}, group {group}", entry(entries, tag), str(blocks), str(threads), 98304,
                  [a, pack_marlin(q, order), ("out", "c", 2 * m * n), np.zeros(64 * 256 * 16, np.float32), "u64:0",
                   permute_scales(s, group), "u64:0", "u64:0", "u64:0", f"s32:{len(s)}", f"s32:{m}", f"s32:{n}",
                   f"s32:{k}", f"s32:{k}", np.zeros(1024, np.int32), "u8:0", "u8:0", f"u8:{reduce}", "s32:98304"],
                  wanted, np.float16, tolerance=2.0 ** -11 * (1 if reduce else 2))


def qqq(entries):
    """QQQ: W4A8 on s8 tensor cores, per channel and in groups."""
    for m, n, k, group, blocks in [(1, 256, 256, None, 3), (16, 384, 512, None, 5), (13, 256, 512, 128, 4),
                                   (64, 256, 256, None, 3), (33, 512, 256, 128, 4), (128, 256, 256, 128, 5)]:
        order = permutation(lambda i: range(4 * i, 4 * i + 4),
                            [0, 2, 4, 6, 1, 3, 5, 7] if group else [4, 0, 5, 1, 6, 2, 7, 3])
        a = integers(-127, 128, (m, k), np.int8)
        q = integers(0, 16, (k, n), np.int64) if group else integers(-7, 8, (k, n), np.int64)
        tokens, channels = powers(-6, -3, (m, 1), np.float32), powers(-5, -2, (1, n), np.float32)
        groups = integers(1, 5, (k // (group or k), n), np.float16)
        weight = (q - 8) * groups.astype(np.int64)[np.arange(k) // group] if group else q
        wanted = (a.astype(np.int64) @ weight) * tokens.astype(float) * channels
        # Without groups the integers lie in the upper half of a byte: 16 times what they are.
        scales = permute_scales(channels if group else channels / 16, False)
        tiles = ("Li256ELi1ELi8ELi8" if m <= 16 else f"Li256ELi{min(4, (m + 15) // 16)}ELi16ELi4")
        yield Run(f"qqq {m} x {n} x {k}, group {group}",
                  entry(entries, f"{tiles}ELi4ELi{group // 16 if group else 'n1'}E"), str(blocks), "256", 98304,
                  [a, pack_marlin(q, order), ("out", "partial", 4 * 1024 * n), ("out", "c", 2 * m * n), tokens, scales,
                   permute_scales(groups, True) if group else np.zeros(8, np.float16), f"s32:{m}", f"s32:{n}",
                   f"s32:{k}", np.zeros(1024, np.int32)], wanted, np.float16, tolerance=2.0 ** -11)


def awq(entries):
    """AWQ's first GEMM: W4A16 with zero points, split along K, the sum of the parts left to the host."""
    def pack(values):
        values = values.reshape(len(values), -1, 8).astype(np.uint32)
        return sum(values[:, :, column] << np.uint32(4 * place)
                   for place, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)))

    for columns in (128, 64):
        for m, k, n, group, splits in [(1, 256, 256, 128, 2), (13, 512, 384, 64, 8), (40, 256, 128, 128, 1)]:
            a = integers(-4, 5, (m, k), np.float16)
            q, z = integers(0, 16, (k, n), np.int64), integers(0, 16, (k // group, n), np.int64)
            s, of = powers(-2, 2, (k // group, n), np.float16), np.arange(k) // group
            wanted = a.astype(float) @ ((q - z[of]) * s.astype(float)[of])
            yield Run(f"awq {m} x {n} x {k}, group {group}, {splits} splits",
                      entry(entries, f"gemm_forward_4bit_cuda_m16n{columns}k32I6__halff"),
                      str((m + 15) // 16 * (n // columns) * splits), "32,2", 0,
                      [f"s32:{group}", f"s32:{splits}", a, pack(q), s, pack(z), f"s32:{m}", f"s32:{k}", f"s32:{n}",
                       ("out", "c", 4 * splits * m * n)], wanted, np.float32, splits)


def entry(entries, tag):
    found = [name for name in entries if tag in name]
    if len(found) != 1:
        raise SystemExit(f"{len(found)} kernels have '{tag}' in their name, of {', '.join(entries)}")
    return found[0]


def marlin_source(folder):
    of = "half, vllm::kU4B8.id(), vllm::kFloat16.id()"
    shapes = ["256, 1, 8, 8, true, 4, 8", "256, 1, 8, 8, false, 4, -1", "256, 4, 16, 4, false, 4, 8",
              "128, 2, 8, 4, false, 4, -1"]
    lines = [f"template __global__ void Marlin<{of}, {shape}, false>(MARLIN_KERNEL_PARAMS);" for shape in shapes]
    return "\n".join(['#include "kernel.h"', '#include "marlin_template.h"', "namespace MARLIN_NAMESPACE_NAME {",
                      *lines, "}"])


def qqq_source(folder):
    text = (folder / "qqq_gemm.cu").read_text()
    kernel = text[:text.index("const int USER_THREADS")]
    shapes = [(threads, m, 8 if m == 1 else 16, 8 if m == 1 else 4, group)
              for threads in (256,) for m in (1, 2, 3, 4) for group in (-1, 8)]
    pointer = "const int4*, const int4*, int4*, int4*, const float*, const int4*, const int4*, int, int, int, int*"
    return kernel + "\n".join(f"template __global__ void Marlin<{t}, {m}, {n}, {k}, 4, {g}>({pointer});"
                              for t, m, n, k, g in shapes)


def awq_source(folder):
    text = (folder / "gemm_cuda_gen.cu").read_text().replace('#include "gemm_cuda.h"', "")
    begin = text.index("template <typename scalar_t, typename output_t>\n__global__")
    end = text.index("__global__", text.index("gemm_forward_4bit_cuda_m16n64k32(", begin))
    kernels = text[begin:text.rindex("\n}\n", begin, end) + 3]
    types = "int, int, half*, int*, half*, int*, int, int, int, float*"
    return text[:text.index("static void validate_bf16_device")] + kernels + "\n".join(
        f"template __global__ void gemm_forward_4bit_cuda_m16n{n}k32<half, float>({types});" for n in (128, 64))


KERNELS = {"marlin": ("marlin", marlin_source, marlin), "qqq": ("qqq", qqq_source, qqq),
           "awq": ("awq/quantization", awq_source, awq)}
