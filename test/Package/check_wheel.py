# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The wheel in an empty environment: check_wheel.py SOURCE BUILD WORK

Builds it by pip, installs it into a new virtual environment, and follows what ptq-demo says: three commands from the
wheel to a quantized model. LLVM, BLAS and oneDNN of this machine are hidden meanwhile, where mounting is allowed; that
nothing is taken from outside of the wheel but the C library is seen from ldd in any case.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

SYSTEM = re.compile(r"(linux-vdso|ld-linux|/lib(c|m|dl|rt|pthread|util|resolv|mvec|anl|nsl)\.so)")
HIDDEN = ["/usr/lib/llvm-22"]
HIDDEN_FILES = ["libopenblas.so.0", "libdnnl.so.2", "libblas.so.3", "liblapack.so.3", "libz3.so.4", "libgfortran.so.5"]


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nfailed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def hide():
    """Commands of a shell in a name space of its own that cover the machine's libraries; none where that is refused."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        print("name spaces are refused here: the machine's own LLVM is not hidden")
        return None
    commands = ["mkdir -p /tmp/ptq-empty"] + [f"mount --bind /tmp/ptq-empty {folder}" for folder in HIDDEN]
    for folder in ("/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu"):
        for name in HIDDEN_FILES:
            if os.path.exists(f"{folder}/{name}"):
                commands.append(f"mount --bind /dev/null {os.path.realpath(f'{folder}/{name}')} 2>/dev/null || true")
    return "; ".join(commands)


def main():
    source, build, work = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", work, source,
        env={**os.environ, "PTQ_BUILD_DIR": str(build)})
    wheel, = work.glob("*.whl")
    venv = work / "venv"
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin" / "pip", "install", "--quiet", "--no-index", wheel)
    package, = venv.glob("lib/python*/site-packages/mlir_ptq")
    size = sum(p.stat().st_size for p in package.rglob("*") if p.is_file())
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.0f} MB, installed {size / 1e6:.0f} MB")

    clean = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(work)}
    for binary in (*package.glob("bin/*"), *package.glob("lib/*.so*")):
        for line in run("ldd", binary, env=clean).splitlines():
            if "not found" in line or not (str(package) in line or SYSTEM.search(line) or "statically" in line):
                sys.exit(f"{binary.name} takes something from outside of the wheel: {line.strip()}")

    demo = work / "demo"
    said = run(venv / "bin" / "ptq-demo", demo, env=clean)
    commands = re.findall(r"^  (quant-(?:.|\n)*?)\n(?:\n|$)", said + "\n", re.M)
    assert len(commands) == 2, said
    hidden = hide()
    for command in commands:
        script = f"{hidden}; {command}" if hidden else command
        shell = ["unshare", "-m", "bash", "-ec", script] if hidden else ["bash", "-ec", script]
        output = run(*shell, env=clean)
    perplexity = float(re.search(r"perplexity ([\d.]+)", output)[1])
    print(f"quantized in the empty environment: perplexity {perplexity}")
    assert 4.1 < perplexity < 4.13, perplexity


if __name__ == "__main__":
    main()
