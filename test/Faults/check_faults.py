#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the tables of bad inputs: check_faults.py TOOLS_DIR [--only TEXT] [--list]

Every row is a command in a folder of its own (row.py). A crash, a hang, a second error, a file left behind or changed:
each fails the row.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import table_files
import table_models
from inputs import linear, samples, weight

TOOLS = ("quant-opt", "quant-run", "ptx-run")
CRASHES = re.compile(r"Stack dump|PLEASE submit|Assertion|AddressSanitizer|runtime error|terminate called|bad_alloc")
TIMEOUT = 60  # seconds


def create(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink(missing_ok=True)
            path.mkdir()
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def run(row, tools):
    """Raises AssertionError where the row does not hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        create(folder, {"m.mlir": linear(), "w.safetensors": weight(), "x.safetensors": samples(), **row.files})
        before = snapshot(folder)
        words = shlex.split(row.command)
        output = open("/dev/full", "w") if row.name == "disks/full-stdout" else subprocess.PIPE
        try:
            done = subprocess.run([tools[words[0]], *words[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.PIPE, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {TIMEOUT} s") from None
        errors = done.stderr.decode(errors="replace")
        shown = errors.strip()[:2000]
        assert not CRASHES.search(errors), f"crash (status {done.returncode}):\n{shown}"
        if row.error is None:
            assert done.returncode == 0, f"status {done.returncode}:\n{shown}"
            row.check(folder, tools)
            return
        assert done.returncode == 1, f"status {done.returncode}, not 1:\n{shown}"
        assert re.search(row.error, errors, re.DOTALL), f"no message like '{row.error}':\n{shown}"
        count = len(re.findall(r"\berror: |\bERROR: ", errors)) or errors.count("quant-opt: ")
        assert count == 1, f"{count} errors, not one:\n{shown}"
        after = snapshot(folder)
        changed = sorted(str(path) for path in {*before, *after} if before.get(path, 0) != after.get(path, 0))
        assert not changed, f"left or changed: {', '.join(changed)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    rows = [row for row in table_files.ROWS + table_models.ROWS if arguments.only in row.name]
    assert len({row.name for row in rows}) == len(rows), "rows have names of their own"
    if arguments.list:
        print(*(row.name for row in rows), sep="\n")
        return 0
    tools = {tool: str(arguments.tools.resolve() / tool) for tool in TOOLS}
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row, future in [(row, pool.submit(run, row, tools)) for row in rows]:
            if error := future.exception():
                failures += 1
                print(f"FAILED {row.name}: {row.command}\n  {error}", flush=True)
    print(f"{len(rows) - failures} of {len(rows)} rows hold")
    return 1 if failures or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
