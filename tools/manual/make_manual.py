#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the tools' man pages and their completion for bash.

  make_manual.py --version V --out DIR --passes STAGE=FILE.json … --help-of TOOL=FILE …

The pages say what the tools print and what Passes.td says: DIR/man1/TOOL.1, DIR/man7/ptq-passes.7, and DIR/mlir-ptq.bash.
"""
import argparse
import pathlib

import completion
from passes import read_help, read_passes
from roff import escape, inline, markdown

TOOLS = {
    "quant-opt": ("quantizes MLIR modules", """
`quant-opt` is `mlir-opt` with the dialect `ptq` and the passes of mlir-ptq: post-training quantization of neural networks.
It reads a module, runs the passes of its command line in their order, and writes the module that results. What passes have
put off for later is done at the end (`run-pending`). The output file is written aside and renamed: it is there whole or
not at all.

All other options are those of `mlir-opt`; `--help` lists them."""),
    "quant-run": ("runs MLIR models on samples, at any stage of quantization", """
Runs a function of a module on the CPU, whether its layers are in float, quantized, or lowered, and prints what came out:
outputs, their distance from a reference, or perplexity."""),
    "ptx-run": ("runs PTX kernels in an emulator that checks them", """
Runs a kernel of a PTX file on raw buffers and scalars, in an emulator that finds races, accesses out of bounds, reads of
what was never written, and deadlocks, and counts instructions, bytes and bank conflicts. Arguments are given in the kernel's
order: `in:FILE` (a buffer filled from the file), `out:FILE:BYTES` (a zeroed one, written to the file afterwards),
`inout:FILE`, or a scalar as `u32:7` or `f32:0.5`."""),
    "quant-lsp-server": ("language server for MLIR with the ptq dialect", """
Speaks the Language Server Protocol on standard input and output: an editor shows a model's errors as one types, an
operation's documentation, and where a value is defined and used. It is `mlir-lsp-server` with the dialect `ptq`; configure
an editor's MLIR extension to start it."""),
}
SYNOPSIS = {
    "quant-opt": "[\\fIINPUT.mlir\\fR] [\\fB\\-\\-\\fIPASS\\fR[\\fB=\"\\fIOPTION\\fB=\\fIVALUE\\fR …\\fB\"\\fR]] … "
                 "[\\fB\\-o\\fR \\fIOUTPUT.mlir\\fR]",
    "quant-run": "\\fIMODEL.mlir\\fR \\fB\\-\\-inputs=\\fIFILE\\fR [\\fIOPTION\\fR …]",
    "ptx-run": "\\fIFILE.ptx\\fR [\\fIOPTION\\fR …] \\fIARGUMENT\\fR …",
    "quant-lsp-server": "[\\fIOPTION\\fR …]",
}
EXIT = {
    "quant-opt": "0, or 1 after an error, whose message says what, where and what to do.",
    "quant-run": "0, or 1 after an error.",
    "ptx-run": "0 when the kernel ran and nothing was found, 2 with findings, 1 after an error.",
    "quant-lsp-server": "0 after the client's shutdown request, else 1.",
}
EXAMPLE = """quant-opt model.mlir --load-parameters=file=model.safetensors \\
  --calibrate=data=samples.safetensors --gptq="bits=4 group-size=64" \\
  --save-parameters=file=model.w4.safetensors -o model.w4.mlir
quant-run model.w4.mlir --parameters=model.w4.safetensors \\
  --inputs=evaluation.safetensors --perplexity=ids"""


def header(name, section, version, summary):
    # `t`: man runs tbl on it.
    # `.ad l`: names of options are too long to be spread over a line.
    return ["'\\\" t", f".TH {name.upper()} {section} \"\" \"mlir\\-ptq {version}\" \"mlir\\-ptq\"", ".SH NAME",
            f"{escape(name)} \\- {escape(summary)}", ".ad l"]


def example():
    return [".SH EXAMPLES", ".nf"] + [escape(line) for line in EXAMPLE.split("\n")] + [".fi"]


def see_also(name):
    pages = [f"\\fB{escape(page)}\\fR({7 if page == 'ptq-passes' else 1})"
             for page in [*TOOLS, "ptq-passes"] if page != name]
    return [".SH SEE ALSO", ", ".join(pages)]


def tool_page(name, version, stages, sections):
    summary, description = TOOLS[name]
    out = header(name, 1, version, summary)
    out += [".SH SYNOPSIS", f"\\fB{escape(name)}\\fR {SYNOPSIS[name]}", ".SH DESCRIPTION"] + markdown(description)
    if name == "quant-opt":
        out += [".SH PASSES", "In full in \\fBptq\\-passes\\fR(7)."]
        for stage, passes in stages:
            out += [f".SS {stage}"]
            for p in passes:
                out += [".TP", f"\\fB\\-\\-{escape(p.name)}\\fR", inline(p.summary) + "."]
    else:
        out += [".SH OPTIONS"]
        for section, options in sections:
            if section != name:
                continue  # LLVM's own
            for option, text in options:
                flag, _, value = option.partition("=")
                out += [".TP", f"\\fB{escape(flag)}\\fR" + (f"=\\fI{escape(value.strip('<>'))}\\fR" if value else ""),
                        inline(text)]
        out += [".TP", "\\fB\\-\\-help\\fR", "All options."]
    if name in ("quant-opt", "quant-run"):
        out += example()
    return out + [".SH EXIT STATUS", escape(EXIT[name])] + see_also(name)


def passes_page(version, stages):
    out = header("ptq-passes", 7, version, "the passes of mlir-ptq, in the order of their stages")
    out += [".SH DESCRIPTION"] + markdown("""
Options are given within quotation marks, `--gptq="bits=4 group-size=64"`; in a textual pipeline in braces,
`gptq{bits=4 group-size=64}`.""")
    for stage, passes in stages:
        out += [f".SH {stage.upper()}"]
        for p in passes:
            out += [f".SS \\-\\-{escape(p.name)}", inline(p.summary) + ".", ".PP"] + markdown(p.description)
            for o in p.options:
                default = f" ({escape(o.default)})" if o.default else ""
                out += [".TP", f"\\fB{escape(o.name)}\\fR{default}", inline(o.description)]
    return out + see_also("ptq-passes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--passes", nargs="+", required=True, metavar="STAGE=FILE")
    parser.add_argument("--help-of", nargs="+", required=True, metavar="TOOL=FILE")
    arguments = parser.parse_args()
    stages = [(stage, read_passes(file)) for stage, file in (word.split("=", 1) for word in arguments.passes)]
    helps = {tool: read_help(file) for tool, file in (word.split("=", 1) for word in arguments.help_of)}

    pages = {f"man1/{tool}.1": tool_page(tool, arguments.version, stages, helps[tool]) for tool in TOOLS}
    pages["man7/ptq-passes.7"] = passes_page(arguments.version, stages)
    pages["mlir-ptq.bash"] = completion.script(stages, helps).split("\n")
    for name, lines in pages.items():
        path = arguments.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
