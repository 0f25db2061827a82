# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lengths, decoding, types, shards, ties and calibration, run and compared with torch."""
from __future__ import annotations

import pathlib
import re

import pytest
import torch
import transformers
from architectures import GROUPED, Architecture, architectures
from conftest import Tools, save_random
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

LEAST_SQNR = 100.0
DYNAMIC = ("bert", "roberta", "distilbert", "modernbert", "t5_encoder")


def llama(folder: pathlib.Path, **options: object) -> torch.nn.Module:
    fields = {key: options.pop(key) for key in ("tie_word_embeddings",) if key in options}
    config = transformers.LlamaConfig(**GROUPED, **fields)
    return save_random(transformers.LlamaForCausalLM, config, folder, **options)


def ids(length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(3, 160, (1, length), generator=torch.Generator().manual_seed(seed))


def caches(past: object) -> dict[str, torch.Tensor]:
    return {f"{name}{i}": value for i, layer in enumerate(past.layers) for name, value in (("k", layer.keys), ("v", layer.values))}


def arguments(module: pathlib.Path, function: str = "main") -> dict[str, str]:
    """The types of a function's arguments by name."""
    head = next(line for line in module.read_text().splitlines() if f"func.func @{function}(" in line)
    return {name: kind for kind, name in re.findall(r'(tensor<[^>]*>) \{ptq\.(?:input|parameter) = "([^"]+)"\}', head)}


def test_dynamic_length(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    model = llama(tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=dynamic") == (0, "")
    assert arguments(tmp_path / "out/model.mlir")["ids"] == "tensor<1x?xi64>"
    for length in (2, 11, 40):
        with torch.no_grad():
            expected = {"output": model(ids(length)).logits}
        sqnr = tools.compare(tmp_path / "out/model.mlir", tmp_path / "model/model.safetensors", {"ids": ids(length)}, expected)
        assert sqnr["output"] >= LEAST_SQNR, length


@pytest.mark.parametrize("architecture", [a for a in architectures() if not a.decodes and a.name in DYNAMIC], ids=lambda a: a.name)
def test_dynamic_length_of_encoders(architecture: Architecture, tmp_path: pathlib.Path, tools: Tools, export) -> None:
    model = save_random(architecture.model, architecture.config, tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=dynamic") == (0, "")
    for length in (7, 30):
        values = {"ids": ids(length), "mask": torch.ones(1, length, dtype=torch.int64)}
        with torch.no_grad():
            outputs = model(input_ids=values["ids"], attention_mask=values["mask"])
        expected = {"output": outputs.logits if hasattr(outputs, "logits") else outputs[0]}
        sqnr = tools.compare(tmp_path / "out/model.mlir", tmp_path / "model/model.safetensors", values, expected)
        assert sqnr["output"] >= LEAST_SQNR, length


@pytest.mark.parametrize("architecture", [a for a in architectures() if a.decodes], ids=lambda a: a.name)
def test_decode(architecture: Architecture, tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """A prompt of 12, then one token; the caches that prefill returns are those that decode takes."""
    model = save_random(architecture.model, architecture.config, tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=12", "--decode") == (0, "")
    module, weights = tmp_path / "out/model.mlir", tmp_path / "model/model.safetensors"
    with torch.no_grad():
        first = model(ids(12), use_cache=True, past_key_values=transformers.DynamicCache())
        # What the next token sees is all before it: the same as the last of 13 at once.
        before = {name: value.clone() for name, value in caches(first.past_key_values).items()}
        token = ids(1, seed=2)
        full = model(torch.cat([ids(12), token], 1), use_cache=True, past_key_values=transformers.DynamicCache())
    prefill = tools.compare(module, weights, {"ids": ids(12)}, {"output": first.logits, **before})
    assert min(prefill.values()) >= LEAST_SQNR, prefill
    after = {"output": full.logits[:, -1:], **caches(full.past_key_values)}
    decode = tools.compare(module, weights, {"ids": token, **before}, after, function="decode")
    assert min(decode.values()) >= LEAST_SQNR, decode


def test_decode_with_caches_of_any_length(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """Five tokens, one after the other, as a generating program does it."""
    model = llama(tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=dynamic", "--decode") == (0, "")
    module, weights = tmp_path / "out/model.mlir", tmp_path / "model/model.safetensors"
    assert arguments(module, "decode")["k0"] == "tensor<1x2x?x16xf32>"
    past = transformers.DynamicCache()
    with torch.no_grad():
        model(ids(9), use_cache=True, past_key_values=past)
        for step in range(5):
            before = {name: value.clone() for name, value in caches(past).items()}
            token = ids(1, seed=step)
            logits = model(token, use_cache=True, past_key_values=past).logits
            expected = {"output": logits, **caches(past)}
            sqnr = tools.compare(module, weights, {"ids": token, **before}, expected, function="decode")
            assert min(sqnr.values()) >= LEAST_SQNR, sqnr


def test_decode_quantizes(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """Both functions take the same weights, and both are quantized: all layers but the head. In main, the values of v_proj
    are a result as they are, so that quant-opt takes them for heads too."""
    llama(tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=dynamic", "--decode") == (0, "")
    module = tools.work / "w4.mlir"
    tools.run("quant-opt", tmp_path / "out/model.mlir", f"--load-parameters=file={tmp_path / 'model/model.safetensors'}",
              "--rtn=bits=4 group-size=32", f"--save-parameters=file={tools.work / 'w4.safetensors'}", "-o", module)
    main, decode = module.read_text().split("func.func @decode(")
    assert (main.count("= ptq.weight_only_linear"), decode.count("= ptq.weight_only_linear")) == (12, 14)


@pytest.mark.parametrize("dtype, name, least", [(torch.float16, "f16", 50), (torch.bfloat16, "bf16", 35)])
def test_16_bit_weights_stay(dtype: torch.dtype, name: str, least: float, tmp_path: pathlib.Path, tools: Tools, export) -> None:
    model = llama(tmp_path / "model", dtype=dtype)
    assert export(tmp_path / "model", tmp_path / "out", "--length=16") == (0, "")
    kinds = arguments(tmp_path / "out/model.mlir")
    assert kinds.pop("ids") == "tensor<1x16xi64>"
    assert all(kind.endswith(f"x{name}>") for kind in kinds.values())
    with torch.no_grad():
        expected = {"output": model(ids(16)).logits}
    sqnr = tools.compare(tmp_path / "out/model.mlir", tmp_path / "model/model.safetensors", {"ids": ids(16)}, expected)
    assert sqnr["output"] >= least


def test_shards(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    model = llama(tmp_path / "model", max_shard_size="100KB")
    index = tmp_path / "model/model.safetensors.index.json"
    assert index.exists()
    assert export(tmp_path / "model", tmp_path / "out", "--length=16") == (0, "")
    assert str(index) in (tmp_path / "out/README").read_text()
    with torch.no_grad():
        expected = {"output": model(ids(16)).logits}
    module, weights = tools.work / "loaded.mlir", tools.work / "loaded.safetensors"
    tools.run("quant-opt", tmp_path / "out/model.mlir", f"--load-parameters=file={index}",
              f"--save-parameters=file={weights}", "-o", module)
    assert tools.compare(module, weights, {"ids": ids(16)}, expected)["output"] >= LEAST_SQNR


def test_every_argument_is_a_tensor_of_the_file(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """A tied head has the name of the tensor that is there, whichever it is; frequencies are constants."""
    from safetensors.torch import save_file

    llama(tmp_path / "model", tie_word_embeddings=True)
    weights = tmp_path / "model/model.safetensors"
    kept = load_file(weights)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        kept = {name if key in ("model.embed_tokens.weight", "lm_head.weight") else key: value for key, value in kept.items()}
        save_file(kept, weights)
        assert export(tmp_path / "model", tmp_path / name, "--length=8") == (0, "")
        assert set(arguments(tmp_path / name / "model.mlir")) - {"ids"} == set(kept)
        model = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "model").eval()
        with torch.no_grad():
            expected = {"output": model(ids(8)).logits}
        assert tools.compare(tmp_path / name / "model.mlir", weights, {"ids": ids(8)}, expected)["output"] >= LEAST_SQNR


def test_experts_are_the_files_tensors(tmp_path: pathlib.Path, export) -> None:
    architecture = next(a for a in architectures() if a.name == "mixtral")
    save_random(architecture.model, architecture.config, tmp_path / "model")
    assert export(tmp_path / "model", tmp_path / "out", "--length=8") == (0, "")
    assert set(arguments(tmp_path / "out/model.mlir")) - {"ids"} == set(load_file(tmp_path / "model/model.safetensors"))


def save_tokenizer(folder: pathlib.Path, special: bool) -> None:
    """A tokenizer of bytes, whose ids are easy to tell: byte + 3 modulo 150; [CLS] and [SEP] around a text if asked for."""
    vocabulary = {"[CLS]": 1, "[SEP]": 2} | {c: 3 + i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet())) if i < 140}
    tokenizer = Tokenizer(models.BPE(vocab={"[PAD]": 0, **vocabulary}, merges=[], unk_token="[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)


TEXT = "The quick brown fox jumps over the lazy dog. " * 20


def test_calibration(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """The samples are the text's tokens, in order, and the printed command takes them."""
    llama(tmp_path / "model")
    save_tokenizer(tmp_path / "model", special=False)
    (tmp_path / "text").write_text(TEXT)
    assert export(tmp_path / "model", tmp_path / "out", "--length=16", f"--calibration={tmp_path / 'text'}", "--samples=7") == (0, "")
    samples = load_file(tmp_path / "out/calibration.safetensors")
    assert samples["ids"].shape == (7, 1, 16) and samples["ids"].dtype == torch.int64
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert samples["ids"].flatten().tolist() == tokenizer(TEXT)["input_ids"][: 7 * 16]
    for command in (tmp_path / "out/README").read_text().strip().splitlines()[2:]:
        import shlex

        name, *rest = shlex.split(command)
        tools.run(name, *rest)
    assert (tmp_path / "out/model.w4.safetensors").stat().st_size < 0.6 * (tmp_path / "model/model.safetensors").stat().st_size


def test_calibration_of_an_encoder(tmp_path: pathlib.Path, tools: Tools, export) -> None:
    """Every window stands between the special tokens, and the mask is whole."""
    architecture = next(a for a in architectures() if a.name == "bert")
    save_random(architecture.model, architecture.config, tmp_path / "model")
    save_tokenizer(tmp_path / "model", special=True)
    (tmp_path / "text").write_text(TEXT)
    assert export(tmp_path / "model", tmp_path / "out", "--length=16", f"--calibration={tmp_path / 'text'}", "--samples=5") == (0, "")
    samples = load_file(tmp_path / "out/calibration.safetensors")
    assert samples["mask"].shape == samples["ids"].shape == (5, 1, 16) and samples["mask"].min() == 1
    assert set(samples["ids"][:, 0, 0].tolist()) == {1} and set(samples["ids"][:, 0, -1].tolist()) == {2}
    tools.run("quant-opt", tmp_path / "out/model.mlir", f"--load-parameters=file={tmp_path / 'model/model.safetensors'}",
              f"--calibrate=data={tmp_path / 'out/calibration.safetensors'}", "--smoothquant", "--rtn", "-o", "/dev/null")
