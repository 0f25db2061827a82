#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs published quantized GEMMs in the emulator: right results, no finding, in several orders of the warps.

usage: run_published.py PTX_RUN FOLDER

The kernels' sources are those of the package gptqmodel, which pip fetches into FOLDER; nvcc compiles them. Of torch they
include headers that only their host code needs: stand-ins take their place."""
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy as np

import kernels

PACKAGE = "gptqmodel==7.7.0"
HEADERS = dict.fromkeys(["torch/all.h", "torch/extension.h", "ATen/cuda/CUDAContext.h", "c10/cuda/CUDAGuard.h",
                         "c10/cuda/CUDAException.h", "cublas_v2.h"], "#include <cstdint>\n#include <cuda_fp16.h>\n")
HEADERS["torch/library.h"] = """#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#define TORCH_CHECK(...)
"""


def fetch(folder):
    archives = list(folder.glob("gptqmodel-*.tar.gz"))
    if not archives:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
                        "--no-binary", ":all:", "--dest", folder, PACKAGE], check=True)
        archives = list(folder.glob("gptqmodel-*.tar.gz"))
    sources = folder / "sources"
    if not sources.exists():
        with tarfile.open(archives[0]) as archive:
            archive.extractall(sources, filter="data")
    return next(sources.glob("*/gptqmodel_ext"))


def compile_kernels(name, extension, folder):
    directory, source, _ = kernels.KERNELS[name]
    headers = folder / "headers"
    for header, text in HEADERS.items():
        (headers / header).parent.mkdir(parents=True, exist_ok=True)
        (headers / header).write_text(text)
    file, ptx = folder / f"{name}.cu", folder / f"{name}.ptx"
    file.write_text(source(extension / directory))
    subprocess.run(["nvcc", "-arch=sm_80", "-std=c++20", "--expt-relaxed-constexpr", "-ptx", "-I", headers,
                    "-I", extension / directory, "-I", extension, "-o", ptx, file], check=True)
    return ptx


def launch(ptx_run, ptx, run, seed, folder):
    arguments, outputs = [], {}
    for number, argument in enumerate(run.arguments):
        path = folder / f"argument{number}"
        if isinstance(argument, np.ndarray):
            np.ascontiguousarray(argument).tofile(path)
            argument = f"inout:{path}"
        elif isinstance(argument, tuple):
            outputs[argument[1]] = path
            argument = f"out:{path}:{argument[2]}"
        arguments.append(argument)
    done = subprocess.run([ptx_run, ptx, f"--entry={run.entry}", f"--grid={run.grid}", f"--block={run.block}",
                           f"--shared={run.shared}", f"--seed={seed}", *arguments], capture_output=True, text=True)
    if done.returncode:
        return f"exit status {done.returncode}: {(done.stdout + done.stderr)[:1000]}"
    got = np.fromfile(outputs["c"], run.type).reshape(run.splits, *run.wanted.shape).astype(float).sum(0)
    error = np.abs(got - run.wanted).max()
    bound = run.tolerance * np.abs(run.wanted).max()
    return "" if error <= bound else f"off by {error}, where {bound} is allowed"


def main():
    ptx_run, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if not shutil.which("nvcc"):
        sys.exit("nvcc is not there: it compiles the kernels")
    folder.mkdir(parents=True, exist_ok=True)
    extension = fetch(folder)
    failures = launches = 0
    for name, (_, _, runs) in kernels.KERNELS.items():
        ptx = compile_kernels(name, extension, folder)
        entries = re.findall(r"\.entry (\w+)\(", ptx.read_text())
        for run in runs(entries):
            for seed in range(4):
                with tempfile.TemporaryDirectory() as scratch:
                    message = launch(ptx_run, ptx, run, seed, pathlib.Path(scratch))
                launches += 1
                failures += bool(message)
                if message:
                    print(f"{run.title}, seed {seed}: {message}")
        print(f"{name}: done")
    print(f"{launches} launches, {failures} failures")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
