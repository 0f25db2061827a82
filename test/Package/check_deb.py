# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Debian packages in a root of their own: check_deb.py SOURCE BUILD CMAKE CXX WORK

Packs them by CPack, unpacks both into an empty root, quantizes the small model with the tool from there, and builds the
example against the development package.
"""
import os
import pathlib
import shutil
import subprocess
import sys


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nfailed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main():
    source, build, cmake, compiler, work = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(cmake.parent / "cpack", "--config", build / "CPackConfig.cmake", "-B", work / "packages")
    packages = {deb.name.split("_")[0]: deb for deb in (work / "packages").glob("*.deb")}
    assert set(packages) == {"mlir-ptq", "libmlir-ptq-dev"}, packages
    needs = run("dpkg-deb", "--field", packages["mlir-ptq"], "Depends")
    for library in ("libmlir-22", "libllvm22", "libc6"):
        assert library in needs, f"mlir-ptq does not depend on {library}: {needs}"

    root = work / "root"
    for deb in packages.values():
        run("dpkg-deb", "--extract", deb, root)
    model, quantized = source / "test" / "Models" / "tiny", work / "quantized.mlir"
    run(root / "usr/bin/quant-opt", model / "model.mlir", f"--load-parameters=file={model / 'weights.safetensors'}",
        "--rtn=bits=4 group-size=64", f"--save-parameters=file={work / 'quantized.safetensors'}", "-o", quantized)
    assert "ptq.weight_only_linear" in quantized.read_text()
    for page in ("man1/quant-opt.1", "man7/ptq-passes.7"):
        assert (root / "usr/share/man" / page).stat().st_size > 1000 or (root / f"usr/share/man/{page}.gz").exists()

    example = work / "example"
    run(cmake, "-S", source / "examples" / "embedding", "-B", example, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_PREFIX_PATH={root / 'usr'}",
        env={**os.environ, "CCACHE_DISABLE": "1"})
    run(cmake, "--build", example)
    sizes = ", ".join(f"{name} {deb.stat().st_size / 1e6:.1f} MB" for name, deb in sorted(packages.items()))
    print(f"{sizes}; the model was quantized, the example built against the unpacked packages")


if __name__ == "__main__":
    main()
