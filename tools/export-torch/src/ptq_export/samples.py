# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calibration samples of a text file: consecutive windows of its tokens, as many as asked for, none of them padded."""
from __future__ import annotations

import pathlib

import torch
import transformers

from ptq_export.errors import ExportError, summary
from ptq_export.interface import Interface, longest

DYNAMIC_LENGTH = 256
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


def calibration_samples(
    folder: pathlib.Path, text: pathlib.Path, count: int, interface: Interface, model: transformers.PreTrainedModel
) -> dict[str, torch.Tensor]:
    """Tensors [samples, 1, N] by input name. Special tokens that the tokenizer puts around a text stand around each
    window, where the model is an encoder; a causal model sees them at the text's beginning only."""
    if not interface.takes_tokens:
        names = ", ".join(value.name for value in interface.inputs)
        raise ExportError(f"--calibration: {type(model).__name__} takes {names}, which no text file holds; write the samples "
                          "to a safetensors file, with the input's name and shape [samples, ...]")
    tokenizer = load_tokenizer(folder)
    length = interface.length or min(DYNAMIC_LENGTH, longest(model) or DYNAMIC_LENGTH)
    if interface.kind == "encoder":
        windows = encoder_windows(tokenizer, read_text(text), length, count)
    else:
        ids = tokenizer(read_text(text), verbose=False)["input_ids"]
        windows = [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
    needed = 2 * count if interface.kind == "encoder-decoder" else count
    if len(windows) < needed:
        raise ExportError(f"'{text}' makes {len(windows)} windows of {length} tokens, and --samples={count} takes {needed}; "
                          "give a longer text or ask for fewer samples")
    check_vocabulary(windows[:needed], model)
    ids = torch.tensor(windows[:needed], dtype=torch.int64)[:, None]
    if interface.kind == "encoder-decoder":
        return {"ids": ids[0::2].contiguous(), "decoder_ids": ids[1::2].contiguous()}
    result = {"ids": ids}
    if interface.kind == "encoder" and len(interface.inputs) > 1:
        result["mask"] = torch.ones_like(ids)
    return result


def encoder_windows(tokenizer: transformers.PreTrainedTokenizerBase, text: str, length: int, count: int) -> list[list[int]]:
    """Windows with the special tokens around each."""
    around = tokenizer.num_special_tokens_to_add(pair=False)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    inner = length - around
    if inner < 1:
        raise ExportError(f"--length={length} leaves no place beside {around} special tokens")
    pieces = [ids[start : start + inner] for start in range(0, len(ids) - inner + 1, inner)][:count]
    if not around:
        return pieces
    marked = tokenizer("a")["input_ids"]
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    before = next(i for i in range(len(marked)) if marked[i : i + len(plain)] == plain)
    return [marked[:before] + piece + marked[before + len(plain) :] for piece in pieces]


def load_tokenizer(folder: pathlib.Path) -> transformers.PreTrainedTokenizerBase:
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ExportError(f"--calibration: '{folder}' has no tokenizer files ({', '.join(TOKENIZER_FILES)})")
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ExportError(f"--calibration: transformers does not take the tokenizer in '{folder}': {summary(error)}") from None


def read_text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"--calibration: '{path}' is no readable UTF-8 text: {summary(error)}") from None


def check_vocabulary(windows: list[list[int]], model: transformers.PreTrainedModel) -> None:
    size = getattr(model.config.get_text_config(), "vocab_size", None)
    greatest = max(max(window) for window in windows)
    if size is not None and greatest >= size:
        raise ExportError(f"--calibration: the tokenizer gives the id {greatest}, the model has {size}: they do not belong together")
