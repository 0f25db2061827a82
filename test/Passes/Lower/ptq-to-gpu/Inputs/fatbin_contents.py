# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints what is in the fat binary that a module's gpu.binary holds: kind and architecture, in order."""
import re
import struct
import sys

text = open(sys.argv[1], encoding="utf-8", errors="surrogateescape").read()
literal = re.search(r'#gpu\.object<#nvvm\.target<[^>]*>, "((?:[^"\\]|\\.)*)"', text[text.index("gpu.binary"):]).group(1)
image = re.sub(rb'\\([0-9A-Fa-f]{2}|["\\])',
               lambda m: m.group(1) if m.group(1) in (b'"', b"\\") else bytes([int(m.group(1), 16)]),
               literal.encode("utf-8", errors="surrogateescape"))
magic, _, header, size = struct.unpack_from("<IHHQ", image)
assert magic == 0xBA55ED50 and header + size == len(image), "not a fat binary"
at = header
while at < len(image):
    kind, _, header, size = struct.unpack_from("<HHIQ", image, at)
    architecture = struct.unpack_from("<I", image, at + 28)[0]
    print({1: "ptx", 2: "elf"}[kind], architecture)
    at += header + size
