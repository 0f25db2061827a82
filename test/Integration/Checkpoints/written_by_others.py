#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the formats' own packages write, read by us: test/Models/tiny, quantized by each, its own forward against
quant-run's on what --load-checkpoint made of the folder.

  written_by_others.py TOOLS_DIR MODELS_DIR WORK llmcompressor|gptqmodel|autoawq …
"""
import json
import pathlib
import sys

import torch
from common import Checks, Model, add_tokenizer, forward, perplexity, sqnr
from safetensors.torch import load_file

check = Checks()


def calibration(model, samples):
    ids = load_file(model.calibration)["ids"]
    return ids.reshape(-1, ids.shape[-1])[:samples]


def compare(model, label, folder, theirs, least):
    """Their logits [tokens, vocabulary] against ours."""
    module, parameters = model.load(folder)
    check(f"{label}, read by us: SQNR of logits, dB", sqnr(theirs, model.logits(module, parameters)), least)
    return module, parameters


def llmcompressor(model):
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM
    # W8A8: rounded activations flip at any difference; see read_by_others.py.
    for scheme, least in (("W4A16", 90), ("W4A16_ASYM", 90), ("W8A16", 90), ("W8A8", 30)):
        folder = model.work / scheme
        quantized = AutoModelForCausalLM.from_pretrained(model.source, dtype=torch.float32)
        oneshot(model=quantized, recipe=QuantizationModifier(targets="Linear", scheme=scheme, ignore=["lm_head"]))
        quantized.save_pretrained(folder, save_compressed=True)
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        label = f"llmcompressor's {scheme}"
        module, parameters = compare(model, label, folder, forward(loaded, model.ids()[0]), least)
        ours = model.perplexity(module, parameters, 16)
        check(f"{label}: difference of perplexities", abs(ours - perplexity(loaded, model.ids(16))), greatest=0.02)


def gptqmodel(model):
    from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
    add_tokenizer(model.source)
    samples = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in calibration(model, 4)]
    for version, symmetric, act in (("gptq", True, False), ("gptq_v2", False, False), ("gptq", True, True)):
        label = f"gptqmodel's {version} sym={symmetric} desc_act={act}"
        folder = model.work / f"{version}-{symmetric}-{act}"
        quantized = GPTQModel.load(str(model.source), QuantizeConfig(
            bits=4, group_size=64, sym=symmetric, desc_act=act, format=version, device="cpu",
            offload_to_disk=False))
        quantized.quantize(samples, batch_size=1, backend=BACKEND.TORCH)
        quantized.save(str(folder))
        written = json.loads((folder / "config.json").read_text())["quantization_config"]
        print(f"{label}: checkpoint_format {written.get('checkpoint_format', written.get('format'))}, sym {written['sym']}")
        loaded = GPTQModel.load(str(folder), device="cpu", backend=BACKEND.TORCH, dtype=torch.float16)
        # It multiplies in f16.
        compare(model, label, folder, forward(loaded.model, model.ids()[0]), 50)


def autoawq(model):
    """AutoAWQ's own quantization where it runs without a GPU, its layers' forward."""
    from awq import AutoAWQForCausalLM
    from awq.modules.linear import gemm
    from awq.utils.packing_utils import dequantize_gemm
    from transformers import AutoModelForCausalLM, AutoTokenizer
    add_tokenizer(model.source)
    folder = model.work / "autoawq"
    quantized = AutoAWQForCausalLM.from_pretrained(str(model.source), torch_dtype=torch.float32, device_map="cpu",
                                                   safetensors=True)
    quantized.quantize(AutoTokenizer.from_pretrained(model.source), calib_data=calibration(model, 2).tolist(),
                       quant_config={"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM"},
                       max_calib_seq_len=256, max_calib_samples=2, apply_clip=False)
    quantized.save_quantized(str(folder))
    # Its kernels want a GPU; the values of its layers, which it dequantizes itself, do not.
    float_model = AutoModelForCausalLM.from_pretrained(model.source, torch_dtype=torch.float32)
    tensors = load_file(next(folder.glob("*.safetensors")))
    state = float_model.state_dict()
    for key in state:
        layer = key.removesuffix(".weight")
        if layer + ".qweight" in tensors:
            parts = (tensors[f"{layer}.{part}"] for part in ("qweight", "qzeros", "scales"))
            state[key] = dequantize_gemm(*parts, 4, 64).T.float()
        else:
            state[key] = tensors[key].float()
    float_model.load_state_dict(state)
    compare(model, "autoawq's GEMM", folder, forward(float_model.eval(), model.ids()[0]), 50)


def main():
    tools, models, work = map(pathlib.Path, sys.argv[1:4])
    for part in sys.argv[4:]:
        model = Model("tiny", tools, models, models / "tiny/weights.safetensors", work / "written" / part)
        {"llmcompressor": llmcompressor, "gptqmodel": gptqmodel, "autoawq": autoawq}[part](model)
    sys.exit(check.failed > 0)


if __name__ == "__main__":
    main()
