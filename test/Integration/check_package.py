#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs the build, compiles examples/embedding against what was installed, and runs it; then programs that ask for some
components only, which must not be linked with others.

  check_package.py CMAKE BUILD SOURCE CXX
"""
import pathlib
import re
import shutil
import subprocess
import sys


def run(*command):
    print("$", *command, flush=True)
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"{result.stdout}\nfailed with exit status {result.returncode}")
    return result.stdout


STAGES = """#include "ptq/Raise/Passes.h"
#include "ptq/Transform/Passes.h"
int main() {
  ptq::registerPTQRaisePasses();
  ptq::registerPTQTransformPasses();
}
"""


def check_components(cmake, source, prefix, work, compiler):
    """A program of Numerics links one library of ours and no MLIR; one of Raise and Transform no kernels, no emulator."""
    def build(name):
        folder = work / name / "build"
        run(cmake, "-S", work / name, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Debug")
        run(cmake, "--build", folder)
        linked = set(re.findall(r"lib(PTQ\w+)\.a", (folder / "build.ninja").read_text()))
        loaded = run("readelf", "-d", folder / name)
        run(folder / name)
        return linked, loaded

    shutil.copytree(source / "examples/numerics", work / "numerics")
    linked, loaded = build("numerics")
    if "PTQNumerics" not in linked or not linked <= {"PTQNumerics", "PTQSupport"} or "libMLIR" in loaded:
        sys.exit(f"the component Numerics brings {sorted(linked)}, and loads:\n{loaded}")
    (work / "stages").mkdir()
    (work / "stages/main.cpp").write_text(STAGES)
    (work / "stages/CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.25)
project(stages LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(PTQ 0.1 REQUIRED CONFIG COMPONENTS Raise Transform)
add_executable(stages main.cpp)
target_link_libraries(stages PRIVATE PTQ::Raise PTQ::Transform)
""")
    linked, loaded = build("stages")
    unwanted = linked & {"PTQKernels", "PTQEmulator", "PTQLower", "PTQRegistration", "PTQDeviceExecution", "PTQInterchange"}
    if not {"PTQRaise", "PTQTransform"} <= linked or unwanted or "libMLIR" not in loaded:
        sys.exit(f"the components Raise and Transform bring {sorted(linked)}")


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
    check_components(cmake, source, prefix, work, compiler)


if __name__ == "__main__":
    main()
