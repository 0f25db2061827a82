# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Build backend (PEP 517) of the wheel; README.md says what it does."""
import base64
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(__file__).resolve().parent / "mlir_ptq"
COMMANDS = {"quant-opt": "quant_opt", "quant-run": "quant_run", "ptx-run": "ptx_run",
            "quant-lsp-server": "quant_lsp_server", "ptq-demo": "demo"}
DEMO = ["model.mlir", "weights.safetensors", "calibration.txt", "evaluation.safetensors"]
# The C library, whose parts have to be of one version: the machine's.
SYSTEM = re.compile(r"^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|mvec|anl|nsl)\.so.*)")
SUMMARY = "Post-training quantization of neural networks as MLIR passes"


def get_requires_for_build_wheel(config_settings=None):
    return []


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("mlir-ptq has no source distribution: its sources need LLVM and MLIR 22. `pip wheel .` in a clone "
                     "makes a wheel.")


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(str(part) for part in command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def version():
    return re.search(r"^project\(\S+\s+VERSION\s+(\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


def install(package):
    """The tools, and the libraries that they need by names of their own."""
    build = pathlib.Path(os.environ.get("PTQ_BUILD_DIR", ROOT / "build"))
    if not (build / "build.ninja").exists():
        run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", build, "--target", *(name for name in COMMANDS if name != "ptq-demo"), "PTQPlugin", "PTQRuntime",
        "PTQ-C")
    run("cmake", "--install", build, "--component", "Runtime", "--strip", "--prefix", package)


def needed(path):
    """{name: file} of what the loader takes for the binary, but the C library."""
    found = {}
    for line in run("ldd", path).splitlines():
        name, _, where = line.strip().partition(" => ")
        name = name.split()[0]
        if SYSTEM.match(pathlib.Path(name).name):
            continue
        if where.startswith("not found"):
            raise SystemExit(f"{path} needs {name}, which is not on this machine")
        if where:
            found[name] = pathlib.Path(where.split(" (")[0])
    return found


def bundle(package):
    """Copies what is needed, points all into the wheel; returns the files whose packages are bundled."""
    lib = package / "lib"
    binaries = [p for p in (*package.glob("bin/*"), *lib.glob("*.so*")) if not p.is_symlink()]
    sources = {}
    for binary in binaries:
        sources.update(needed(binary))
    for name, source in sources.items():
        if not (lib / name).exists():
            shutil.copyfile(source, lib / name)
            (lib / name).chmod(0o644)
    # Zip files have no links.
    for link in [p for p in lib.iterdir() if p.is_symlink()]:
        target = link.resolve()
        link.unlink()
        shutil.copyfile(target, link)
    for binary in package.glob("bin/*"):
        run("patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/../lib", binary)
    for library in lib.glob("*.so*"):
        run("patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", library)
    return sources


def copy_licences(package, sources):
    """Of the Debian packages that the libraries are from, where there are such."""
    folder = package / "licenses"
    folder.mkdir()
    shutil.copyfile(ROOT / "LICENSE", folder / "mlir-ptq")
    for source in sources.values():
        owner = ""
        for path in (str(source.resolve()), str(source), "/usr" + str(source)):
            done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True) if shutil.which("dpkg-query") \
                else None
            if done and done.returncode == 0:
                owner = done.stdout.split(":")[0]
                break
        copyright = pathlib.Path("/usr/share/doc", owner, "copyright")
        if not owner or not copyright.exists():
            raise SystemExit(f"the licence of {source} is not known: it is of no Debian package, and a wheel may not be without it")
        shutil.copyfile(copyright, folder / owner)


def write_metadata(info, tag):
    info.mkdir()
    readme = (ROOT / "README.md").read_text()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mlir-ptq\nVersion: {version()}\nSummary: {SUMMARY}\n"
                                   "License: Apache-2.0 WITH LLVM-exception\nRequires-Python: >=3.8\n"
                                   f"Description-Content-Type: text/markdown\n\n{readme}")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: mlir-ptq\nRoot-Is-Purelib: false\nTag: {tag}\n")
    lines = "".join(f"{command} = mlir_ptq:{function}\n" for command, function in COMMANDS.items())
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{lines}")


def pack(stage, info, target):
    """The files with their hashes; what is executable stays so."""
    record = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(p for p in stage.rglob("*") if p.is_file()):
            name, content = path.relative_to(stage).as_posix(), path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | (0o755 if os.access(path, os.X_OK) else 0o644)) << 16
            archive.writestr(entry, content)
        own = f"{info.name}/RECORD"
        archive.writestr(own, "\n".join([*record, f"{own},,"]) + "\n")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if sys.platform != "linux":
        raise SystemExit("wheels of mlir-ptq are for Linux")
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()[1].replace(".", "_")
    tag = f"py3-none-manylinux_{libc}_{os.uname().machine}"
    name = f"mlir_ptq-{version()}"
    with tempfile.TemporaryDirectory() as temporary:
        stage = pathlib.Path(temporary)
        package, info = stage / "mlir_ptq", stage / f"{name}.dist-info"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        install(package)
        copy_licences(package, bundle(package))
        (package / "demo").mkdir()
        for file in DEMO:
            shutil.copyfile(ROOT / "test" / "Models" / "tiny" / file, package / "demo" / file)
        write_metadata(info, tag)
        pack(stage, info, pathlib.Path(wheel_directory) / f"{name}-{tag}.whl")
    return f"{name}-{tag}.whl"
