# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The commands that come next, for the model at hand."""
from __future__ import annotations

import math
import pathlib
import shlex

import torch
import transformers

from ptq_export.interface import Interface


def next_commands(
    model: transformers.PreTrainedModel, interface: Interface, source: pathlib.Path, out: pathlib.Path, calibrated: bool, decode: bool
) -> list[str]:
    """Quantizing to 4 bits and, where there are samples, running the result on them. Statistics are of one function, so a
    model with two is rounded to nearest."""
    module, weights = out / "model.w4.mlir", out / "model.w4.safetensors"
    samples = out / "calibration.safetensors"
    statistics = calibrated and not decode
    rounding = f'--{"gptq" if statistics else "rtn"}={shlex.quote("bits=4" + group_size(model))}'
    calibrate = [f"--calibrate=data={shlex.quote(str(samples))}"] if statistics else []
    steps = [f"--load-parameters=file={shlex.quote(str(source))}", *calibrate, rounding,
             f"--save-parameters=file={shlex.quote(str(weights))}"]
    commands = [" ".join(["quant-opt", shlex.quote(str(out / "model.mlir")), *steps, "-o", shlex.quote(str(module))])]
    if calibrated:
        perplexity = ["--perplexity=ids"] if interface.kind == "causal" else []
        commands.append(" ".join(["quant-run", shlex.quote(str(module)), f"--parameters={shlex.quote(str(weights))}",
                                  f"--inputs={shlex.quote(str(samples))}", *perplexity]))
    return commands


def group_size(model: transformers.PreTrainedModel) -> str:
    """The largest usual group that divides the input width of every linear layer."""
    widths = [module.in_features for module in model.modules() if isinstance(module, torch.nn.Linear)]
    common = math.gcd(*widths) if widths else 0
    return next((f" group-size={size}" for size in (128, 64, 32) if common and common % size == 0), "")
