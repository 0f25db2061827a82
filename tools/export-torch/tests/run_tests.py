#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs the package into an environment of its own and runs its tests.

  run_tests.py TOOLS_DIR VENV_DIR [PYTEST_OPTION...]

The packages that it needs are installed once, at the versions in constraints.txt (several GB, most of it torch); ptq-export
itself anew each time. TOOLS_DIR holds quant-opt and quant-run.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
PACKAGE = TESTS.parent


def make_environment(folder):
    """The Python of an environment with all requirements; made anew when these have changed."""
    files = [PACKAGE / "pyproject.toml", TESTS / "constraints.txt"]
    stamp = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    python, ready = folder / "bin/python", folder / "ready"
    if not ready.exists() or ready.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install(python, "[test]", "--constraint", files[1])
        ready.write_text(stamp)
    install(python, "", "--no-deps", "--force-reinstall")
    return python


def install(python, extras, *options):
    """Installs a copy, since pip leaves files where it builds."""
    with tempfile.TemporaryDirectory() as copy:
        source = pathlib.Path(copy) / "source"
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *options, f"{source}{extras}"], check=True)


def main():
    tools, venv = (pathlib.Path(path).absolute() for path in sys.argv[1:3])
    python = make_environment(venv)
    subprocess.run([venv / "bin/ptq-export", "--help"], check=True, stdout=subprocess.DEVNULL)
    environment = dict(os.environ, PTQ_TOOLS=str(tools), PYTHONDONTWRITEBYTECODE="1", OMP_WAIT_POLICY="PASSIVE")
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rP", *sys.argv[3:], TESTS]
    sys.exit(subprocess.run(command, env=environment, cwd=venv).returncode)


if __name__ == "__main__":
    main()
