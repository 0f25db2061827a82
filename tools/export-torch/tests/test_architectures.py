# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every architecture: exported, run, compared with torch, and quantized to 8 bits once."""
from __future__ import annotations

import inspect
import json
import pathlib
import re

import pytest
import torch
from architectures import Architecture, architectures
from conftest import Tools, save_random

LEAST_SQNR = 60.0
LEAST_SQNR_8_BITS = 20.0
LENGTH = 16


def example(model: torch.nn.Module, length: int = LENGTH) -> tuple[dict, dict]:
    """Inputs as the exported function names them, and as transformers' forward does. Padding is in the mask."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 160, (1, length), generator=generator)
    if model.main_input_name == "pixel_values":
        pixels = torch.randn(1, 3, 32, 32, generator=generator)
        return {"pixel_values": pixels}, {"pixel_values": pixels}
    if model.main_input_name == "input_features":
        features = torch.randn(1, 16, 48, generator=generator)
        return ({"input_features": features, "decoder_ids": ids}, {"input_features": features, "decoder_input_ids": ids})
    if "decoder_input_ids" in inspect.signature(model.forward).parameters:
        other = torch.randint(3, 160, (1, length), generator=generator)
        return {"ids": ids, "decoder_ids": other}, {"input_ids": ids, "decoder_input_ids": other}
    if model.can_generate():
        return {"ids": ids}, {"input_ids": ids}
    mask = torch.ones_like(ids)
    mask[:, length - 5 :] = 0
    return {"ids": ids, "mask": mask}, {"input_ids": ids, "attention_mask": mask}


def first(outputs: object) -> torch.Tensor:
    return outputs.logits if hasattr(outputs, "logits") else outputs[0]


@pytest.mark.parametrize("architecture", architectures(), ids=lambda a: a.name)
def test_matches_torch_and_quantizes(
    architecture: Architecture, tmp_path: pathlib.Path, tools: Tools, export
) -> None:
    folder, out = tmp_path / "model", tmp_path / "out"
    model = save_random(architecture.model, architecture.config, folder)
    assert export(folder, out, "--length", LENGTH) == (0, "")
    inputs, arguments = example(model)
    with torch.no_grad():
        expected = {"output": first(model(**arguments))}
    weights = folder / "model.safetensors"

    sqnr = tools.compare(out / "model.mlir", weights, inputs, expected)["output"]
    print(f"{architecture.name}: SQNR {sqnr:.1f} dB")
    assert sqnr >= LEAST_SQNR

    module, integers, report = (tools.work / name for name in ("w8.mlir", "w8.safetensors", "report.json"))
    rounding = "--rtn=bits=8 group-size=32" + (f" skip={architecture.skip}" if architecture.skip else "")
    tools.run("quant-opt", out / "model.mlir", f"--load-parameters=file={weights}", rounding,
              f"--write-report=file={report}", f"--save-parameters=file={integers}", "-o", module)
    layers = json.loads(report.read_text())["layers"]
    raised = [layer for layer in layers if layer["status"] != "declined"]
    named = [layer["name"] for layer in raised if not re.fullmatch(r"(linear|layer)[_.]?\d*", layer["name"])]
    assert len(raised) == len(named) == architecture.linears, [layer["name"] for layer in layers]
    sqnr = tools.compare(module, integers, inputs, expected)["output"]
    print(f"{architecture.name}: 8 bits, SQNR {sqnr:.1f} dB, {len(raised)} layers")
    assert LEAST_SQNR_8_BITS <= sqnr < LEAST_SQNR + 40
