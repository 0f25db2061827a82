# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command: `ptq-export MODEL_DIR OUT`."""
from __future__ import annotations

import argparse
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Sequence

EPILOG = """Writes OUT/model.mlir (linalg on tensors, weights as named arguments), with --calibration also
OUT/calibration.safetensors, and OUT/README with the commands that come next. The weights stay in MODEL_DIR."""


def length(text: str) -> int | str:
    if text == "dynamic":
        return text
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number of tokens nor 'dynamic'")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not positive")
    return value


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ptq-export", description="Turns a Hugging Face folder into a module that quant-opt takes.", epilog=EPILOG
    )
    parser.add_argument("model", metavar="MODEL_DIR", type=pathlib.Path, help="config.json, *.safetensors, tokenizer files")
    parser.add_argument("out", metavar="OUT", type=pathlib.Path, help="folder for the results, made if it is not there")
    parser.add_argument("--length", type=length, metavar="N|dynamic",
                        help="tokens in a sequence, or any number of them (default: 256, or as many as the model has positions)")
    parser.add_argument("--decode", action="store_true",
                        help="a causal model: main also returns the caches k0, v0, ..., and a function 'decode' takes one "
                        "token and the caches (of N tokens, or of any number with --length=dynamic) and returns them longer by one")
    parser.add_argument("--calibration", type=pathlib.Path, metavar="FILE", help="a text to make calibration samples of")
    parser.add_argument("--samples", type=positive, default=128, metavar="N", help="how many (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    # Nothing is fetched, and what libraries remark about training or speed is none of the user's business here.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.simplefilter("ignore")
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    from ptq_export.errors import ExportError
    from ptq_export.export import export

    try:
        commands = export(options.model, options.out, options.length, options.decode, options.calibration, options.samples)
    except ExportError as error:
        print(f"ptq-export: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"ptq-export: error: cannot write to '{options.out}': {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"wrote {options.out / 'model.mlir'}. Next:\n")
    print("\n\n".join(commands))
    return 0
