#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What GPTQ holds in memory does not grow with the number of a model's layers.

  check_memory.py TOOLS_DIR WORK_DIR               4 and 16 small decoder layers: compares the two
  check_memory.py TOOLS_DIR WORK_DIR --full-size   4 decoder layers of Llama-7B's size in 4 bits, groups of 128, 2048 tokens

Weights are random, in a file that takes their room on disk; embeddings and head are zero, in holes. Memory is the
greatest RssAnon (what is in no file), read from /proc while the process runs; mapped files come on top as far as
the system has room for them.
"""
import argparse
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tools", type=pathlib.Path)
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--full-size", action="store_true")
options = parser.parse_args()
tools, work = options.tools, options.work
generate = pathlib.Path(__file__).parent.parent / "Integration" / "generate_llama.py"


def read_header(file):
    length = struct.unpack("<Q", file.read(8))[0]
    return json.loads(file.read(length)), 8 + length


def fill(path, seed=1):
    """Random numbers of a standard deviation of about 1/sqrt(width) in the layers' weights, 1 in norms'."""
    generator = random.Random(seed)
    # float32 numbers of random sign and fraction whose exponent is that of 1/64 to 1/32.
    pool = bytearray(generator.randbytes(1 << 22))
    for i in range(3, len(pool), 4):
        pool[i] = pool[i] & 0x80 | 0x3C
    for i in range(2, len(pool), 4):
        pool[i] |= 0x80
    with open(path, "r+b") as file:
        header, start = read_header(file)
        for key, tensor in header.items():
            begin, end = tensor["data_offsets"]
            file.seek(start + begin)
            if len(tensor["shape"]) == 1:
                file.write(struct.pack("<f", 1.0) * tensor["shape"][0])
            elif ".layers." in key:
                left = end - begin
                while left:
                    shift = generator.randrange(len(pool) // 8) * 4  # Rows are not the same again and again.
                    part = pool[shift:][:left]
                    file.write(part)
                    left -= len(part)
            elif "embed_tokens" in key:
                # Rows that the samples read.
                file.write(pool[:min(end - begin, len(pool))])


def write_samples(path, count, length, ids):
    generator = random.Random(2)
    data = struct.pack(f"<{count * length}q", *(generator.randrange(ids) for _ in range(count * length)))
    header = json.dumps({"ids": {"dtype": "I64", "shape": [count, 1, length], "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 64 + 56)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def status(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: int(value.split()[0]) / 1024 for key, _, value in (line.partition(":") for line in lines)
            if key in ("RssAnon", "RssFile", "VmRSS")}


def quantize(layers, samples, size):
    """Runs GPTQ; the greatest memory in MB by kind, and the seconds."""
    folder = work / str(layers)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, generate, folder, "--layers", str(layers)] +
                   [word for key, value in size.items() for word in (f"--{key}", str(value))],
                   check=True, stdout=subprocess.DEVNULL)
    fill(folder / "weights.safetensors")
    rows = (1 << 22) // (4 * size["hidden"])
    write_samples(folder / "samples.safetensors", samples, size["length"], min(rows, size["vocabulary"]))
    start = time.monotonic()
    process = subprocess.Popen(
        [tools / "quant-opt", folder / "model.mlir", f"--load-parameters=file={folder / 'weights.safetensors'}",
         f"--calibrate=data={folder / 'samples.safetensors'}",
         f"--gptq=bits=4 group-size={128 if options.full_size else 64} resume={folder / 'rounded'}",
         "--save-parameters=changed-only file=" + str(folder / "quantized.safetensors"), "-o", folder / "quantized.mlir"],
        stderr=subprocess.DEVNULL)
    most, done = {}, 0
    while process.poll() is None:
        for key, value in status(process.pid).items():
            most[key] = max(most.get(key, 0), value)
        now = len(list((folder / "rounded").glob("*.safetensors")))
        if options.full_size and now != done:
            done = now
            print(f"  {time.monotonic() - start:6.0f} s, {done} layers rounded: " +
                  ", ".join(f"{key} at most {value:.0f} MB" for key, value in most.items()), flush=True)
        time.sleep(0.2 if options.full_size else 0.005)
    seconds = time.monotonic() - start
    assert process.returncode == 0, process.returncode
    text = (folder / "quantized.mlir").read_text()
    assert text.count("ptq.weight_only_linear") == 7 * layers, text.count("ptq.weight_only_linear")
    shutil.rmtree(folder)
    return most, seconds


if options.full_size:
    most, seconds = quantize(4, 8, dict(hidden=4096, intermediate=11008, heads=32, length=256, vocabulary=32000) |
                             {"kv-heads": 32})
    print(f"4 layers of 202 million weights: {seconds:.0f} s; " +
          ", ".join(f"{key} at most {value:.0f} MB" for key, value in most.items()))
    assert most["RssAnon"] < 10 * 1024, most
else:
    size = dict(hidden=256, intermediate=1024, heads=4, length=32, vocabulary=512) | {"kv-heads": 4}
    weights = (4 * 256 * 256 + 3 * 256 * 1024) * 4 / 1e6  # MB of a decoder layer.
    few, seconds_few = quantize(4, 4, size)
    many, seconds_many = quantize(16, 4, size)
    growth = many["RssAnon"] - few["RssAnon"]
    print(f"4 layers: {few['RssAnon']:.1f} MB in {seconds_few:.1f} s; 16 layers: {many['RssAnon']:.1f} MB in "
          f"{seconds_many:.1f} s; a layer's weights are {weights:.1f} MB, 4-bit {weights / 7.5:.2f} MB")
    # Twelve layers' rounded weights in memory would be 6.7 MB; their IR alone is about 1.
    assert growth < 0.75 * 12 * weights / 7.5, growth
