# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Markdown, as far as the passes' descriptions use it, as roff: paragraphs, lists, tables, code; `code` and **bold**
within a line. What it does not know is an error, not a page that looks wrong."""
import re
import textwrap


def escape(text):
    """Plain text for a line of roff: no control character first, no escape within."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", text)


def inline(text):
    """A paragraph's text."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\))", " ".join(text.split()))
    out = []
    for part in parts:
        if part.startswith("`"):
            out.append(f"\\fB{escape(part[1:-1])}\\fR")
        elif part.startswith("**"):
            out.append(f"\\fB{escape(part[2:-2])}\\fR")
        elif part.startswith("[") and part.endswith(")"):
            out.append(escape(part[1:part.index("]")]))
        else:
            out.append(escape(part))
    joined = "".join(out)
    return "\\&" + joined if joined[:1] in ".'" else joined


def code(lines):
    return [".RS 4", ".nf"] + [escape(line) if line else ".sp" for line in lines] + [".fi", ".RE"]


def table(rows):
    """Rows of a Markdown table, with the line of dashes. The last column wraps."""
    split = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    head, body = split[0], split[2:]
    out = [".TS", "tab(\x1f);", " ".join(["lb"] * len(head)), " ".join(["l"] * (len(head) - 1) + ["lx"]) + "."]
    out.append("\x1f".join(inline(cell) for cell in head))
    for row in body:
        # The cells are text blocks: their text is filled.
        out.append("\x1f".join(f"T{{\n{inline(cell)}\nT}}" if cell else "" for cell in row))
    return out + [".TE", ".PP"]


def markdown(text):
    """A description as lines of roff, the first paragraph without a request before it."""
    lines = textwrap.dedent(text).strip("\n").split("\n")
    out, at = [], 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
            continue
        end = at + 1
        if line.startswith("```"):
            while not lines[end].startswith("```"):
                end += 1
            out += code(lines[at + 1:end])
            end += 1
        elif line.startswith("|"):
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            out += table(lines[at:end])
        elif re.match(r"(- |\d+\. )", line):
            mark, rest = line.split(" ", 1)
            while end < len(lines) and lines[end].startswith("  "):
                end += 1
            out += [".IP \\(bu 2" if mark == "-" else f".IP {mark} 4",
                    inline(" ".join([rest] + lines[at + 1:end]))]
        elif line.startswith("#"):
            raise ValueError(f"headings are not used in descriptions: {line}")
        else:
            while end < len(lines) and lines[end].strip() and not re.match(r"(```|\||- )", lines[end]):
                end += 1
            out += ([".PP"] if out else []) + [inline(" ".join(lines[at:end]))]
        at = end
    return out
