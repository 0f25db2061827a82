#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Full and read-only disks, and SIGKILL, while the tools save: check_saves.py TOOLS_DIR [--rounds N]

Every writer meets a full disk (a tmpfs of 64 KiB; where mounting is refused, a limit on the size of files) with an old
file in place, which must stay as it was, with nothing beside it; the same on a read-only disk. Then each is killed at random times: what is there
afterwards is the old file or the new one, whole.
"""
import argparse
import contextlib
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

from check_faults import CRASHES, create, snapshot
from inputs import linear, samples, wave, weight

WIDTH, ROWS = 256, 128  # the weight takes 128 KiB, the Gram matrix 256 KiB, outputs 150 KiB
LIMIT = 64 << 10
BIND = ["quant-opt", "m.mlir", "--load-parameters=file=w.safetensors"]
QUANTIZE = ["--rtn=bits=8 group-size=-1"]
RUN = ["quant-run", "m.mlir", "--parameters=w.safetensors", "--inputs=x.safetensors"]
# Name, what is written, command; {} is the folder of outputs.
WRITERS = [
    ("model", "out.mlir", BIND + ["-o", "{}/out.mlir"]),
    ("bytecode", "out.mlirbc", BIND + ["--emit-bytecode", "-o", "{}/out.mlirbc"]),
    ("parameters", "p.safetensors", BIND + ["--save-parameters=file={}/p.safetensors", "-o", "/dev/null"]),
    ("statistics", "s.safetensors", BIND + ["--calibrate=data=x.safetensors save={}/s.safetensors gram", "-o", "/dev/null"]),
    ("checkpoint", "hf", BIND + QUANTIZE + ["--save-checkpoint=dir={}/hf from=source", "-o", "/dev/null"]),
    ("page", "r.html", BIND + QUANTIZE + ["--write-report=file={}/r.html", "-o", "/dev/null"]),
    ("outputs", "o.safetensors", RUN + ["--outputs={}/o.safetensors"]),
]


def prepare(folder):
    create(folder, {"m.mlir": linear(rows=4, width=WIDTH, out=ROWS), "w.safetensors": weight(wave(WIDTH * ROWS), ROWS, WIDTH),
                    "x.safetensors": samples(count=75, rows=4, width=WIDTH), "source/config.json": "{}",
                    "source/model.safetensors": weight(wave(WIDTH * ROWS), ROWS, WIDTH), "source/tokenizer.json": "{" + " " * LIMIT + "}"})


def start(tools, folder, command, outputs, **more):
    words = [word.replace("{}", str(outputs)) for word in command]
    return subprocess.Popen([tools / words[0], *words[1:]], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)


@contextlib.contextmanager
def small_disk(folder):
    """A full file system and no limit, or, where it cannot be had, an ordinary one and a limit for the tools."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LIMIT}", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        print("a tmpfs cannot be mounted: the size of files is limited instead")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        yield disk, limit
        return
    try:
        yield disk, None
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def errors_on(state, disk, tools, folder, writer, **more):
    """What the writer says on a disk in such a state, where it fails with one error and changes nothing."""
    name, _, command = writer
    before = snapshot(disk)
    process = start(tools, folder, command, disk, **more)
    errors = process.communicate(timeout=120)[1].decode(errors="replace")
    assert process.returncode == 1, f"{name}: status {process.returncode} on a {state} disk:\n{errors}"
    assert not CRASHES.search(errors) and errors.count("error: ") == 1, f"{name}: not one clear error:\n{errors}"
    after = snapshot(disk)
    assert before == after, f"{name}: a {state} disk changed {sorted(map(str, set(after) ^ set(before)))}"
    return errors


def meets_full_disk(tools, folder, writer):
    name, written, _ = writer
    with small_disk(folder) as (disk, limit):
        if name != "checkpoint":  # a folder is written where none is, or an empty one
            (disk / written).write_bytes(b"old")
        if not limit:
            (disk / "rest").write_bytes(bytes(LIMIT - (16 << 10)))  # small outputs meet a full disk, too
        errors = errors_on("full", disk, tools, folder, writer, preexec_fn=limit)
        assert "No space left" in errors or "File too large" in errors, f"{name}: the disk is not named:\n{errors}"
    (folder / "disk").rmdir()


def meets_read_only_disk(tools, folder, writer):
    name, written, _ = writer
    with small_disk(folder) as (disk, limit):
        if name != "checkpoint":
            (disk / written).write_bytes(b"old")
        if limit is None:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        elif os.geteuid() != 0:
            disk.chmod(0o555)
        else:
            print(f"{name}: not on a read-only disk, which root without the right to mount cannot have")
            return
        try:
            errors = errors_on("read-only", disk, tools, folder, writer)
        finally:
            if limit:
                disk.chmod(0o755)
        assert "Read-only file system" in errors or "Permission denied" in errors, f"{name}: the disk is not named:\n{errors}"
        assert str(disk) in errors, f"{name}: the place is not named:\n{errors}"


def survives_kill(tools, folder, writer, rounds):
    name, written, command = writer
    outputs = folder / "outputs"
    outputs.mkdir()
    begin = time.monotonic()
    process = start(tools, folder, command, outputs)
    errors = process.communicate(timeout=120)[1].decode(errors="replace")
    assert process.returncode == 0, f"{name}: status {process.returncode}:\n{errors}"
    duration = time.monotonic() - begin

    def state(path):
        return snapshot(path) if path.is_dir() else path.read_bytes() if path.exists() else None
    target = outputs / written
    new = state(target)
    subprocess.run(["rm", "-rf", str(target)], check=True)
    for _ in range(rounds):
        if name != "checkpoint":
            target.write_bytes(b"old")
        old = state(target)
        process = start(tools, folder, command, outputs)
        time.sleep(random.uniform(0, 1.2 * duration))
        process.kill()
        process.communicate()
        found = state(target)
        # A page says how long layers took, so that no two are alike.
        whole = found in (old, new) or (name == "page" and found.endswith(b"</html>\n"))
        assert whole, f"{name}: neither the old file nor the new one after SIGKILL"
        # What a killed process may leave has a name of its own, and is in nobody's way.
        for path in outputs.iterdir():
            assert path == target or (path.name.startswith(".ptq-") and path.name.endswith(".tmp")), f"{name}: left {path.name}"
        subprocess.run(["rm", "-rf", str(outputs)], check=True)
        outputs.mkdir()
    outputs.rmdir()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    random.seed(8)
    tools = arguments.tools.resolve()
    failures = 0
    for writer in WRITERS:
        for check in (meets_full_disk, meets_read_only_disk, lambda *given: survives_kill(*given, arguments.rounds)):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                prepare(folder)
                try:
                    check(tools, folder, writer)
                except AssertionError as error:
                    failures += 1
                    print(f"FAILED {error}", flush=True)
    print(f"{len(WRITERS)} writers, {arguments.rounds} kills each: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
