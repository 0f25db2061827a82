# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a module's function twice, as @main and, with the same parameters, as @decode.

  two_functions.py MODEL OUT [KEY]    with KEY @decode has a parameter KEY.own in that one's place
"""
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_text()
module = text[:text.index("{-#")] if "{-#" in text else text  # Resources come behind it.
start, end = text.index("func.func @main"), module.rindex("}")
body = text[start:end]
other = body.replace("@main", "@decode", 1)
if len(sys.argv) > 3:
    other = other.replace(f'"{sys.argv[3]}"', f'"{sys.argv[3]}.own"', 1)
pathlib.Path(sys.argv[2]).write_text(text[:end] + other + text[end:])
