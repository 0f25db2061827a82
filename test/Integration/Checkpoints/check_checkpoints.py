#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Proves our checkpoints with the formats' own packages, in both directions.

  check_checkpoints.py TOOLS_DIR MODELS_DIR SMOLLM2_WEIGHTS VENV_DIR

The packages are installed, at pinned versions, into VENV_DIR, once: torch takes several minutes and 6 GB. AutoAWQ is no
longer maintained and wants an older transformers, so it lies in a folder of its own beside them.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PARTS = (("read_by_others.py", ("compressed-tensors", "gptq", "awq")),
         ("written_by_others.py", ("llmcompressor", "gptqmodel", "autoawq")))

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore",
    # Compiling with a C++ compiler what runs once takes longer than to interpret it.
    "TORCHDYNAMO_DISABLE": "1",
    # GPTQModel wants two workers, and of two cores takes one.
    "GPTQMODEL_CPU_WORKERS": "2",
    # Threads that wait do not spin: other tests may run beside.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def make_environment(folder):
    """The Python of an environment with all requirements; made anew when these have changed."""
    files = [HERE / name for name in ("requirements.txt", "requirements-gptqmodel.txt", "requirements-autoawq.txt")]
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    python, ready = folder / "bin/python", folder / "ready"
    if ready.exists() and ready.read_text() == stamp:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", files[0]], check=True)
    # Its build looks at the torch that is there.
    subprocess.run([*pip, "--no-build-isolation", "-r", files[1]], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", "--target", folder / "autoawq", "-r", files[2]], check=True)
    ready.write_text(stamp)
    return python


def main():
    tools, models, weights, venv = (pathlib.Path(path).absolute() for path in sys.argv[1:])
    python = make_environment(venv)
    failed = []
    with tempfile.TemporaryDirectory() as work:
        for script, parts in PARTS:
            for part in parts:
                print(f"== {script} {part}", flush=True)
                environment = dict(os.environ, **ENVIRONMENT)
                if part in ("awq", "autoawq"):
                    environment["PYTHONPATH"] = str(venv / "autoawq")
                arguments = [tools, models] + ([weights] if script == "read_by_others.py" else []) + [work, part]
                # GPTQModel writes logs where it runs.
                result = subprocess.run([python, HERE / script, *arguments], env=environment, cwd=work)
                if result.returncode:
                    failed.append(f"{script} {part}")
    if failed:
        sys.exit("failed: " + ", ".join(failed))
    print("all parts passed")


if __name__ == "__main__":
    main()
