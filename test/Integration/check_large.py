#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loads and raises a model of the size and shape of a 7B Llama, with weights that take no room on disk.

  check_large.py TOOLS_DIR WORK_DIR

The weights must not be read: the process's peak memory stays below a small part of their 24 GB.
"""
import pathlib
import resource
import subprocess
import sys
import time

tools, work = map(pathlib.Path, sys.argv[1:])
subprocess.run([sys.executable, pathlib.Path(__file__).with_name("generate_llama.py"), work], check=True)
raised = work / "raised.mlir"
start = time.monotonic()
subprocess.run([tools / "quant-opt", work / "model.mlir", f"--load-parameters=file={work / 'weights.safetensors'}",
                "--raise-linear", "--save-parameters=changed-only", "-o", raised], check=True)
seconds = time.monotonic() - start
megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
text = raised.read_text()
linears, attention = text.count("ptq.linear"), text.count("linalg.batch_matmul")
print(f"{linears} linears in {seconds:.2f} s, {megabytes:.0f} MB at most")
assert linears == 32 * 7 + 1, linears
assert attention == 32 * 2, attention
assert megabytes < 500, megabytes
