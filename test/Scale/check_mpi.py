#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Processes under mpirun write the bytes that one process writes, and end together when one fails.

  check_mpi.py TOOLS_DIR MODEL_DIR WORK_DIR [--all]

--all: other passes and forms of rounded weights, and more ranks, too.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("tools", type=pathlib.Path)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--all", action="store_true")
options = parser.parse_args()
work, model = options.work, options.model
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)

# Ranks of one machine share its cores, where OpenBLAS's threads would wait for each other.
environment = dict(os.environ, PTQ_SAMPLE_BLOCKS="32", OPENBLAS_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_btl_vader_single_copy_mechanism="none")  # What containers do not allow, and would be told on stderr.
launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]


def command(passes, samples=8, out="out", data=None, weights=None):
    # Names that the module holds are the same in all runs.
    return [options.tools / "quant-opt", model / "model.mlir", f"--load-parameters=file={weights or model / 'weights.safetensors'}",
            f"--calibrate=data={data or model / 'calibration.txt'} max-samples={samples}", *passes,
            f"--save-parameters=file={work / out}.safetensors", "-o", f"{work / out}.mlir"]


def start(ranks, arguments):
    prefix = [*launcher, str(ranks)] if ranks else []
    return subprocess.Popen([*prefix, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(ranks, arguments, out="out"):
    for suffix in ("mlir", "safetensors"):
        pathlib.Path(f"{work / out}.{suffix}").unlink(missing_ok=True)
    process = start(ranks, arguments)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, f"{ranks} ranks: {stderr}"
    assert stderr.count("remark: saved") == 1, f"not one rank speaks: {stderr}"
    return [pathlib.Path(f"{work / out}.{suffix}").read_bytes() for suffix in ("mlir", "safetensors")]


def fails(ranks, arguments, *messages):
    process = start(ranks, arguments)
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode != 0, stderr
    for message in messages:
        assert message in stderr, (message, stderr)
    assert stderr.count("error: ") == 1, f"not one error: {stderr}"
    assert not (work / "out.mlir").exists() and not (work / "out.safetensors").exists()
    return time.monotonic() - began


gptq = ["--gptq=bits=4 group-size=64"]
expected = run(0, command(gptq))
for ranks in (1, 2, 4):
    assert run(ranks, command(gptq)) == expected, f"{ranks} ranks give other bytes than one process"
# Fewer samples than ranks: each runs them all.
assert run(4, command(gptq, samples=3)) == run(0, command(gptq, samples=3))

# What is wrong for all is said once, what is wrong for one by that one, and nobody waits for ever.
for file in ("out.mlir", "out.safetensors"):
    (work / file).unlink()
fails(3, command(["--gptq=bits=99"]), "bits")
one_fails = ["bash", "-c", '[ "$OMPI_COMM_WORLD_RANK" = 1 ] && set -- taskset -c 0 "$@"; exec "$@"',
             "-"]
if len(os.sched_getaffinity(0)) > 1:
    fails(2, [*one_fails, *command(gptq)], "rank 1 (", "computes with", "and 1 thread,", "mpirun --bind-to none")
elsewhere = ["bash", "-c", f'[ "$OMPI_COMM_WORLD_RANK" = 2 ] && set -- "${{@/weights.safetensors/nothing.safetensors}}"; exec "$@"', "-"]
seconds = fails(3, [*elsewhere, *command(gptq)], "rank 2 of 3 (", "nothing.safetensors")
assert seconds < 30, f"the others waited for {seconds} s"

# A rank that is killed ends all; the same command goes on from the layers that were rounded.
folder = work / "rounded"
resumed = ["--gptq=bits=4 group-size=64 resume=" + str(folder)]
process = start(3, command(resumed, samples=16))
while process.poll() is None and len(list(folder.glob("*.safetensors"))) < 5:
    time.sleep(0.01)
children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
os.kill(int(children[1]), signal.SIGKILL)
stdout, stderr = process.communicate(timeout=60)
assert process.returncode != 0 and "killed" in stderr.lower() and "rank" in stderr, stderr
assert not (work / "out.mlir").exists()
kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}
assert len(kept) >= 5
expected = run(0, command(gptq, samples=16))
assert run(2, command(resumed, samples=16)) == expected, "ranks that resume give other bytes than one process"
assert all(file.stat().st_mtime_ns == when for file, when in kept.items()), "layers were rounded again"
assert run(0, command(resumed, samples=16)) == expected, "one process that resumes from ranks' layers gives other bytes"
assert not list(pathlib.Path(os.environ.get("TMPDIR", "/tmp")).glob("ptq-layer-*")), "files of ranks remain"

outliers = model / "weights-outliers.safetensors"
forms = [(["--smoothquant=alpha=auto", "--gptq=bits=8 activations=per-tensor-static group-size=-1"], outliers), (["--awq=group-size=64", *gptq], None),
         (["--mixed-precision=average-bits=4 bits=2,4,8 group-size=64 objective=relative"] + gptq, None), (["--gptq=bits=3 group-size=64 outliers=1%"], None),
         (["--gptq=bits=8 granularity=tensor group-size=-1"], None), (["--gptq=symmetric=false group-size=64 order=act"], None),
         (["--gptq=type=nf4 group-size=64"], None), (["--llm-int8", "--gptq"], outliers), (["--smoothquant", "--rtn=bits=8"], outliers),
         (["--smoothquant", "--verify-equivalence=tolerance=1e-4", *gptq], None), (["--gptq=sequential=false"], None)]
for passes, weights in forms if options.all else []:
    expected = run(0, command(passes, weights=weights))
    for ranks in (2, 3, 7):
        assert run(ranks, command(passes, weights=weights)) == expected, f"{passes}, {ranks} ranks"
