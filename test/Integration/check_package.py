#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs the build, compiles examples/embedding against what was installed, and runs it.

  check_package.py CMAKE BUILD SOURCE CXX
"""
import pathlib
import shutil
import subprocess
import sys


def run(*command):
    print("$", *command, flush=True)
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"{result.stdout}\nfailed with exit status {result.returncode}")
    return result.stdout


def main():
    cmake, build, source, compiler = sys.argv[1:]
    source, work = pathlib.Path(source), pathlib.Path(build, "test-install")
    shutil.rmtree(work, ignore_errors=True)
    prefix = work / "prefix"
    run(cmake, "--install", build, "--prefix", prefix)
    # The example stands alone, outside of the source tree, and sees nothing but the prefix.
    example = shutil.copytree(source / "examples/embedding", work / "embedding")
    run(cmake, "-S", example, "-B", work / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Release")
    run(cmake, "--build", work / "build")
    output = run(work / "build/embedding", source / "test/Integration/embedding.mlir")
    for expected in ('ptq.weight_only_linear', 'layer = "fc"', "bits = 4, symmetric, per_group(32)",
                     'layer = "head"'):
        if expected not in output:
            sys.exit(f"the example printed no '{expected}':\n{output}")
    if output.count("ptq.weight_only_linear") != 1 or output.count("ptq.linear") != 1:
        sys.exit(f"expected one rounded layer and a head in float:\n{output}")

    # The installed tool runs, and no installed file points back into the build or source tree.
    tool = run(prefix / "bin/quant-opt", "--help")
    if "--raise-linear" not in tool:
        sys.exit("the installed quant-opt has no --raise-linear")
    for path in sorted(prefix.rglob("*.cmake")):
        for place in (str(build), str(source)):
            if place in path.read_text():
                sys.exit(f"{path} mentions {place}")
    for folder in ("include/ptq/IR/PTQOps.h.inc", "include/ptq/IR/PTQOps.td", "include/ptq/Raise/Passes.h.inc"):
        if not (prefix / folder).exists():
            sys.exit(f"{folder} was not installed")


if __name__ == "__main__":
    main()
