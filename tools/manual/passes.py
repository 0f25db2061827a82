# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The passes and their options, from what llvm-tblgen --dump-json prints of a Passes.td."""
import json
import re
from dataclasses import dataclass, field


@dataclass
class Option:
    name: str
    type: str
    default: str
    description: str

    @property
    def kind(self):
        """How a shell completes its value: file, bool, or nothing."""
        if self.type == "bool":
            return "bool"
        names_file = re.search(r"\b(file|files|folder|directory|index\.json)\b", self.description, re.I)
        return "file" if self.type == "std::string" and self.default in ("", '""') and names_file else ""


@dataclass
class Pass:
    name: str
    summary: str
    description: str
    options: list = field(default_factory=list)


def read_passes(path):
    """The passes of one file, in the order of their definitions."""
    with open(path) as file:
        records = json.load(file)
    names = records["!instanceof"].get("PassBase", [])
    line = {name: int(records[name]["!locs"][0].rsplit(":", 1)[1]) for name in names}
    passes = []
    for name in sorted(names, key=line.get):
        record = records[name]
        options = [records[option["def"]] for option in record["options"]]
        passes.append(Pass(record["argument"], record["summary"], record["description"],
                           [Option(o["argument"], o["type"], o["defaultValue"].strip('"'), o["description"])
                            for o in options]))
    return passes


def read_help(path):
    """What a tool's --help lists: [(section, [(option, description), …]), …]. A value of an option is --name=value."""
    sections, option = [], None
    with open(path) as file:
        for text in file:
            text = text.rstrip()
            if found := re.match(r"(\S.*):$", text):
                sections.append((found[1], []))
            elif sections and (found := re.match(r"  (-\S+(?: <\S+>)?)\s+- (.*)", text)):
                option = found[1]
                sections[-1][1].append((option, found[2]))
            elif sections and option and (found := re.match(r"    =(\S+)\s+-\s+(.*)", text)):
                sections[-1][1].append((option.split("=")[0] + "=" + found[1], found[2]))
    return [(name.removesuffix(" options"), options) for name, options in sections if options]
