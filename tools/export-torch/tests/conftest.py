# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the tools are, and how the tests run them and ptq-export. PTQ_TOOLS names the folder of quant-opt and quant-run."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
import torch
import transformers
from safetensors.torch import save_file

from ptq_export import cli

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


class Tools:
    def __init__(self, folder: pathlib.Path, work: pathlib.Path):
        self.folder, self.work = folder, work

    def run(self, name: str, *arguments: object) -> str:
        result = subprocess.run([self.folder / name, *map(str, arguments)], capture_output=True, text=True)
        assert result.returncode == 0, f"{name} {' '.join(map(str, arguments))}\n{result.stderr}"
        return result.stdout + result.stderr

    def compare(self, module: pathlib.Path, weights: pathlib.Path, inputs: dict, outputs: dict, function: str = "main") -> dict:
        """SQNR in dB of each output, against `outputs`."""
        given, expected, report = (self.work / name for name in ("inputs.safetensors", "expected.safetensors", "report.json"))
        save_file({name: value.contiguous() for name, value in inputs.items()}, given)
        save_file({name: value.contiguous() for name, value in outputs.items()}, expected)
        self.run("quant-run", module, f"--parameters={weights}", f"--inputs={given}", f"--function={function}",
                 f"--reference={expected}", f"--json={report}")
        found = json.loads(report.read_text())["outputs"]
        assert set(found) == set(outputs)
        # Equal to the last bit is written as null.
        return {name: float("inf") if value["sqnr_db"] is None else value["sqnr_db"] for name, value in found.items()}


@pytest.fixture
def tools(tmp_path: pathlib.Path) -> Tools:
    folder = os.environ.get("PTQ_TOOLS")
    assert folder, "set PTQ_TOOLS to the folder of quant-opt and quant-run"
    work = tmp_path / "work"
    work.mkdir()
    return Tools(pathlib.Path(folder), work)


@pytest.fixture
def export(capfd: pytest.CaptureFixture):
    """Runs ptq-export in this process; returns its exit code and what it printed to stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, capfd.readouterr().err

    return run


def save_random(model_class: type, config: object, folder: pathlib.Path, seed: int = 0, **options: object) -> torch.nn.Module:
    """A seeded model, saved as transformers saves it, with norms and biases away from 1 and 0; loaded again, so that it
    is what the files say and not what the exporter made of them."""
    torch.manual_seed(seed)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.to(options.pop("dtype", torch.float32)).save_pretrained(folder, **options)
    return model_class.from_pretrained(folder).eval()
