# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files that are whole or not there: written aside in the same folder, then renamed."""
from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def replaced(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path to write to, which becomes `path` when the block ends without an exception."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
