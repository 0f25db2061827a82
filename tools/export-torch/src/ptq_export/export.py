# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The export itself: a folder in, a folder out."""
from __future__ import annotations

import pathlib

from safetensors.torch import save_file

from ptq_export import skeleton
from ptq_export.binding import Binding
from ptq_export.checkpoint import Checkpoint
from ptq_export.commands import next_commands
from ptq_export.interface import DEFAULT_LENGTH, interface_of, longest
from ptq_export.lowering import lower
from ptq_export.output import replaced
from ptq_export.samples import calibration_samples
from ptq_export.tracing import trace_functions


def export(
    folder: pathlib.Path,
    out: pathlib.Path,
    length: int | str | None = None,
    decode: bool = False,
    calibration: pathlib.Path | None = None,
    samples: int = 128,
) -> list[str]:
    """Writes the results into `out` and returns the commands that come next. Raises ExportError."""
    checkpoint = Checkpoint(folder)
    model = skeleton.build(folder, checkpoint)
    interface = interface_of(model, length or min(DEFAULT_LENGTH, longest(model) or DEFAULT_LENGTH))
    # Before the long part, since a text may be too short.
    tokens = calibration_samples(folder, calibration, samples, interface, model) if calibration else None
    text = lower(trace_functions(Binding(model, checkpoint), interface, decode))
    commands = next_commands(model, interface, checkpoint.source, out, tokens is not None, decode)
    out.mkdir(parents=True, exist_ok=True)
    with replaced(out / "model.mlir") as path:
        path.write_text(text)
    if tokens is not None:
        with replaced(out / "calibration.safetensors") as path:
            save_file(tokens, path)
    with replaced(out / "README") as path:
        path.write_text(readme(folder, type(model).__name__, commands))
    return commands


def readme(folder: pathlib.Path, name: str, commands: list[str]) -> str:
    lines = [f"{name}, exported from {folder} by ptq-export. The weights stay there.", "", *commands]
    return "\n".join(lines) + "\n"
