# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every option of its own that a tool's --help lists is in its page, every pass and option of docs/Passes.md in
ptq-passes(7): pages.py DIR SOURCE

Pages are read as `man` reads them, where there is one; a warning of it is an error.
"""
import pathlib
import re
import shutil
import subprocess
import sys

manual = pathlib.Path(sys.argv[1])


def text_of(page):
    if not shutil.which("man"):
        return page.read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    for width in ("100", "200"):
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "MANWIDTH": width, "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and not done.stderr, f"{page}: {done.stderr}"
    return done.stdout


checked = 0
for tool in ("quant-run", "ptx-run"):
    page = text_of(manual / "man1" / f"{tool}.1")
    for option in re.findall(r"^  (--[a-z][\w-]+)", (manual / f"{tool}.help").read_text(), re.M):
        if re.match(r"--(help|version|color|print-)", option):
            continue
        assert option in page, f"{tool}(1) has no {option}"
        checked += 1
passes = text_of(manual / "man7" / "ptq-passes.7")
short = text_of(manual / "man1" / "quant-opt.1")
for line in (pathlib.Path(sys.argv[2]) / "docs" / "Passes.md").read_text().splitlines():
    if name := re.match(r"### `-([\w-]+)`", line):
        assert f"--{name[1]}" in passes and f"--{name[1]}" in short, name[1]
    elif option := re.match(r"-([a-z][\w-]*) +: ", line):
        assert option[1] in passes, option[1]
    else:
        continue
    checked += 1
assert checked > 120, checked
print(f"{checked} options and passes are documented")
