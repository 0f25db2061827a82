# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The weights of a folder: which tensor lies in which safetensors file. Files are mapped, never read whole."""
from __future__ import annotations

import json
import pathlib

import torch
from safetensors import SafetensorError, safe_open

from ptq_export.errors import ExportError, summary

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class Checkpoint:
    """The tensors of a folder by key. `source` is the file to hand to `quant-opt --load-parameters=file=`."""

    def __init__(self, folder: pathlib.Path):
        self.source, names = find_files(folder)
        self._files: dict[str, object] = {}
        for name in names:
            path = folder / name
            try:
                opened = safe_open(path, framework="pt")
            except (OSError, SafetensorError) as error:
                raise ExportError(f"'{path}' is no readable safetensors file: {summary(error)}") from None
            for key in opened.keys():
                if key in self._files:
                    raise ExportError(f"the tensor '{key}' is in two files of '{folder}', '{name}' is the second")
                self._files[key] = opened

    def keys(self) -> list[str]:
        return list(self._files)

    def tensor(self, key: str) -> torch.Tensor:
        """The tensor over the mapped file: its pages are read when something looks at the values."""
        return self._files[key].get_tensor(key)


def find_files(folder: pathlib.Path) -> tuple[pathlib.Path, list[str]]:
    """The file that names all tensors (the one file, or the index), and the names of the files that hold them."""
    if not (folder / "config.json").is_file():
        raise ExportError(
            f"'{folder}' has no config.json; a Hugging Face model's folder is expected: config.json, "
            "*.safetensors and, for calibration samples, the tokenizer's files"
        )
    if (folder / INDEX).is_file():
        return folder / INDEX, indexed_files(folder)
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    if SINGLE in files:
        return folder / SINGLE, [SINGLE]
    if len(files) == 1:
        return folder / files[0], files
    if files:
        raise ExportError(f"'{folder}' has {len(files)} safetensors files, but neither {SINGLE} nor {INDEX}")
    hint = ""
    if any(folder.glob("*.bin")):
        hint = "; it has *.bin files: load it with transformers and save it with save_pretrained(), which writes safetensors"
    raise ExportError(f"'{folder}' has no *.safetensors file{hint}")


def indexed_files(folder: pathlib.Path) -> list[str]:
    """The files that the index names. A name that leads out of the folder is refused."""
    path = folder / INDEX
    try:
        weight_map = json.loads(path.read_text())["weight_map"]
        names = sorted(set(weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"'{path}' is no index of a sharded checkpoint: {summary(error)}") from None
    for name in names:
        if not isinstance(name, str) or pathlib.PurePath(name).name != name:
            raise ExportError(f"'{path}' names the file '{name}', which is not a plain name in its folder")
        if not (folder / name).is_file():
            raise ExportError(f"'{path}' names the file '{name}', which is not there")
    return names
