# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every message: what is wrong, where, and what to do. No output is left behind."""
from __future__ import annotations

import json
import pathlib

import pytest
import torch
import transformers
from architectures import GROUPED, architectures
from conftest import save_random
from safetensors.torch import load_file, save_file
from test_options import TEXT, save_tokenizer


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    save_random(transformers.LlamaForCausalLM, transformers.LlamaConfig(**GROUPED), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def fails(tmp_path: pathlib.Path, export):
    """Expects a failure that says all of `parts`."""

    def check(folder: pathlib.Path, *options: object, parts: list[str]) -> None:
        code, message = export(folder, tmp_path / "out", *options)
        assert code == 1 and message.count("\n") == 1 and message.startswith("ptq-export: error: ")
        assert all(part in message for part in parts), message
        assert not (tmp_path / "out/model.mlir").exists()

    return check


def change_config(model: pathlib.Path, **fields: object) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | fields))


def test_no_config(tmp_path: pathlib.Path, fails) -> None:
    fails(tmp_path, parts=["has no config.json", "a Hugging Face model's folder is expected"])


def test_config_is_no_json(model: pathlib.Path, fails) -> None:
    (model / "config.json").write_text("{")
    fails(model, parts=["transformers does not take", "config.json"])


def test_unknown_architecture(model: pathlib.Path, fails) -> None:
    change_config(model, architectures=["LlamaForNothing"])
    fails(model, parts=["the architecture 'LlamaForNothing'"])


def test_quantized_already(model: pathlib.Path, fails) -> None:
    change_config(model, quantization_config={"quant_method": "gptq", "bits": 4})
    fails(model, parts=["is quantized already", "--load-checkpoint"])


def test_no_weights(model: pathlib.Path, fails) -> None:
    (model / "model.safetensors").unlink()
    fails(model, parts=["has no *.safetensors file"])
    (model / "pytorch_model.bin").touch()
    fails(model, parts=["save_pretrained()"])


def test_weights_are_no_safetensors(model: pathlib.Path, fails) -> None:
    (model / "model.safetensors").write_bytes(b"nothing of the kind")
    fails(model, parts=["model.safetensors' is no readable safetensors file"])


@pytest.mark.parametrize(
    "text, part",
    [
        ("[]", "is no index of a sharded checkpoint"),
        ('{"weight_map": {"a": "missing.safetensors"}}', "'missing.safetensors', which is not there"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "not a plain name in its folder"),
        ('{"weight_map": {"a": 3}}', "'3', which is not a plain name"),
    ],
)
def test_index(text: str, part: str, model: pathlib.Path, fails) -> None:
    (model / "model.safetensors.index.json").write_text(text)
    fails(model, parts=[part])


def test_missing_tensor(model: pathlib.Path, fails) -> None:
    tensors = load_file(model / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, model / "model.safetensors")
    fails(model, parts=["no tensor for the parameter 'model.layers.1.mlp.up_proj.weight' of LlamaForCausalLM"])


def test_shape_differs(model: pathlib.Path, fails) -> None:
    change_config(model, vocab_size=161)
    fails(model, parts=["'lm_head.weight' has shape [160, 64], config.json asks for [161, 64]"])


def test_length(model: pathlib.Path, fails) -> None:
    fails(model, "--length=129", parts=["--length=129: the model has positions for 128 tokens"])
    fails(model, "--length=1", parts=["at least 2 tokens"])


def test_length_is_no_number(model: pathlib.Path, tmp_path: pathlib.Path, export, capfd) -> None:
    with pytest.raises(SystemExit) as error:
        export(model, tmp_path / "out", "--length=many")
    assert error.value.code == 2 and "'many' is neither a number of tokens nor 'dynamic'" in capfd.readouterr().err


def test_decode_of_an_encoder(tmp_path: pathlib.Path, fails) -> None:
    bert = next(a for a in architectures() if a.name == "bert")
    save_random(bert.model, bert.config, tmp_path / "bert")
    fails(tmp_path / "bert", "--decode", parts=["--decode: BertForMaskedLM does not predict the next token"])


def test_unsupported_operation(tmp_path: pathlib.Path, fails) -> None:
    """FNet mixes tokens by Fourier transforms."""
    config = transformers.FNetConfig(vocab_size=160, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                     max_position_embeddings=128)
    save_random(transformers.FNetModel, config, tmp_path / "fnet")
    fails(tmp_path / "fnet", "--length=16", parts=["cannot lower the operation 'aten.fft_", "in the module 'encoder.layer.0.fourier"])


def test_calibration(model: pathlib.Path, tmp_path: pathlib.Path, fails) -> None:
    text = tmp_path / "text"
    fails(model, f"--calibration={text}", parts=["has no tokenizer files"])
    save_tokenizer(model, special=False)
    fails(model, f"--calibration={text}", parts=["is no readable UTF-8 text"])
    text.write_bytes(b"\xff\xfe\xfd")
    fails(model, f"--calibration={text}", parts=["is no readable UTF-8 text"])
    text.write_text(TEXT)
    fails(model, f"--calibration={text}", "--length=100", "--samples=20",
          parts=["makes 9 windows of 100 tokens, and --samples=20 takes 20"])
    change_config(model, vocab_size=20)
    fails(model, f"--calibration={text}", "--length=100", "--samples=2", parts=["they do not belong together"])


def test_calibration_of_images(tmp_path: pathlib.Path, fails) -> None:
    vit = next(a for a in architectures() if a.name == "vit")
    save_random(vit.model, vit.config, tmp_path / "vit")
    fails(tmp_path / "vit", f"--calibration={__file__}", parts=["takes pixel_values, which no text file holds"])


def test_output_cannot_be_written(model: pathlib.Path, tmp_path: pathlib.Path, fails) -> None:
    (tmp_path / "out").write_text("in the way")
    fails(model, "--length=8", parts=["cannot write to"])
    assert (tmp_path / "out").read_text() == "in the way"
