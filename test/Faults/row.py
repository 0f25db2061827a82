# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One row of a fault table."""
from dataclasses import dataclass, field
from typing import Callable, Optional


@dataclass
class Row:
    """A command in a folder with m.mlir (one linear layer), w.safetensors, x.safetensors and `files` (None is a folder).

    Either `error`, a pattern: the command exits with 1, prints one error that matches, and changes nothing in the
    folder. Or `check`: it exits with 0, and check(folder, tools) finds nothing to assert in what it wrote."""
    name: str
    command: str
    files: dict = field(default_factory=dict)
    error: Optional[str] = None
    check: Optional[Callable] = None
