# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads a module that roles.yaml marked and compares the roles with those that the layers' names tell.

  check_roles.py MODULE.mlir LINEARS.txt
"""
import re
import sys

ATTENTION = re.compile(r"(o_proj|out_proj|attn\.c_proj|attention\.output\.dense)$")
MLP = re.compile(r"(down_proj|fc2|mlp\.c_proj|layer\.\d+\.output\.dense)$")
BY_BITS = {"8": "attention", "3": "mlp"}

module, linears = (open(name).read() for name in sys.argv[1:3])
found = {}
for attributes in re.findall(r"ptq\.linear [^{]*\{(.*?)\} : ", module):
    name = re.search(r'layer = "([^"]*)"', attributes).group(1)
    bits = re.search(r"weight_scheme = #ptq\.scheme<bits = (\d)", attributes)
    found[name] = BY_BITS[bits.group(1)] if bits else "other"
named = [line.split()[0] for line in linears.splitlines() if line.strip()]
expected = {name: "attention" if ATTENTION.search(name) and not MLP.search(name) else
            "mlp" if MLP.search(name) else "other" for name in named}
wrong = {name: (found.get(name, "other"), role) for name, role in expected.items() if found.get(name, "other") != role}
assert not wrong, f"found and expected: {wrong}"
for role in ("attention", "mlp"):
    assert role in found.values(), f"no {role} at all"
print(f"{len(named)} layers have the roles of their names")
