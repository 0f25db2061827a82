#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A quantization that is killed at random times and started again gives the bytes of one that was not.

  check_resume.py TOOLS_DIR MODEL_DIR WORK_DIR [--kills 5] [--seed 1]

Also: a folder of another run, of other weights or samples, one that is in use, or that is none of ours, is an error.
"""
import argparse
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("tools", type=pathlib.Path)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--kills", type=int, default=5)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--forms", action="store_true", help="every form of a rounded weight is kept and found again, too")
options = parser.parse_args()
work, model = options.work, options.model
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)


def command(out, resume=None, gptq="bits=4 group-size=64", weights=model / "weights.safetensors", samples=8,
            before=()):
    gptq += f" resume={resume}" if resume else ""
    # Names that the module holds are the same in all runs.
    return [options.tools / "quant-opt", model / "model.mlir", f"--load-parameters=file={weights}",
            f"--calibrate=data={model / 'calibration.txt'} max-samples={samples}", *before, f"--gptq={gptq}",
            f"--save-parameters=file={out}.safetensors", "-o", f"{out}.mlir"]


def result(out):
    return [pathlib.Path(f"{out}{suffix}").read_bytes() for suffix in (".mlir", ".safetensors")]


def run(name, resume=None):
    process = subprocess.run(command(work / name, resume), capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def fails(message, *arguments, **keywords):
    process = subprocess.run(command(*arguments, **keywords), capture_output=True, text=True)
    assert process.returncode == 1 and message in process.stderr, (process.returncode, process.stderr)
    assert process.stderr.count("error:") == 1, process.stderr


start = time.monotonic()
run("whole")
seconds = time.monotonic() - start
expected = result(work / "whole")

randomness, killed, layers = random.Random(options.seed), 0, []
folder = work / "resume"
while killed < options.kills:
    process = subprocess.Popen(command(work / "resumed", folder), stderr=subprocess.DEVNULL)
    time.sleep(randomness.uniform(0.1, 0.9) * seconds)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        killed += 1
    process.wait()
    layers.append(len(list(folder.glob("*.safetensors"))))
    if process.returncode == 0 or randomness.random() < 0.3:
        # Done, or one of the runs that go on from there to the end.
        run("resumed", folder)
        assert result(work / "resumed") == expected, "a resumed run differs from one that was not killed"
        shutil.rmtree(folder)
run("resumed", folder)
assert result(work / "resumed") == expected, "a resumed run differs from one that was not killed"
assert not list(folder.glob(".ptq-*")), "half written files remain"

# Nothing is rounded again: the files are those that were there.
before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
run("resumed", folder)
assert result(work / "resumed") == expected
assert before == {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}, "layers were rounded again"

fails("run with other options", work / "other", folder, "bits=4 group-size=32")
fails("other calibration samples", work / "other", folder, samples=4)
changed = bytearray((model / "weights.safetensors").read_bytes())
header = struct.unpack("<Q", changed[:8])[0]
for offset in range(8 + header + 64, len(changed), 4096):
    changed[offset - 2] ^= 1  # One bit of a number's fraction.
(work / "changed.safetensors").write_bytes(changed)
fails("another weight", work / "other", folder, weights=work / "changed.safetensors")
file = next(folder.glob("*q_proj*.safetensors"))
whole = file.read_bytes()
file.write_bytes(whole[:len(whole) // 2])
fails(str(file), work / "other", folder)
file.unlink()
run("resumed", folder)
assert result(work / "resumed") == expected
(work / "mine").mkdir()
(work / "mine" / "letter.txt").write_text("Dear")
fails("it has other files ('letter.txt' for one)", work / "other", work / "mine")
fails("Not a directory", work / "other", work / "mine" / "letter.txt")
assert not (work / "other.mlir").exists()

first = subprocess.Popen(command(work / "first", work / "shared"), stderr=subprocess.DEVNULL)
while not list((work / "shared").glob("run.txt")):
    time.sleep(0.01)
fails("another process is using it", work / "second", work / "shared")
assert first.wait() == 0 and result(work / "first") == expected
forms = [((), "type=nf4 group-size=64"), ((), "activations=per-token progressive=true group-size=64"),
         ((), "bits=3 group-size=64 outliers=0.5% order=act"), (("--llm-int8",), ""), (("--smoothquant",), "sequential=false"),
         (("--llm-int8=outlier-weights=dequantized",), "mse=false"), ((), "symmetric=false fake=true group-size=64"),
         ((), "granularity=tensor bits=8"), (("--awq=group-size=64",), "group-size=64")]
for i, (before, gptq) in enumerate(forms if options.forms else []):
    def run_form(name, resume=None):
        subprocess.run(command(work / name, resume, gptq, model / "weights-outliers.safetensors", 2, before), check=True,
                       capture_output=True)
        return result(work / name)
    whole, made = run_form("form"), run_form("form", work / f"form{i}")
    files = {file: file.stat().st_mtime_ns for file in (work / f"form{i}").iterdir()}
    found = run_form("form", work / f"form{i}")
    assert whole == made == found, f"{before} {gptq}: a layer that was kept differs"
    assert files == {file: file.stat().st_mtime_ns for file in (work / f"form{i}").iterdir()}, gptq
print(f"{killed} kills, after {layers} layers; an uninterrupted run takes {seconds:.1f} s")
