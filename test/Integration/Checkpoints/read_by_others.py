#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What we write, read by the formats' own packages.

  read_by_others.py TOOLS_DIR MODELS_DIR SMOLLM2_WEIGHTS WORK compressed-tensors|gptq|awq …
"""
import pathlib
import sys

import torch
from common import Checks, Model, add_tokenizer, forward, our_weights, perplexity, sqnr
from safetensors.torch import load_file

check = Checks()


def w8a8_reference(model, folder, divisor):
    """The float model with the folder's integers and, in front of each layer, tokens rounded with absmax / divisor."""
    from transformers import AutoModelForCausalLM
    tensors = load_file(folder / "model.safetensors")

    def round_tokens(_, arguments):
        scale = arguments[0].abs().amax(-1, keepdim=True) / divisor
        return (torch.clamp(torch.round(arguments[0] / scale), -128, 127) * scale,)

    reference = AutoModelForCausalLM.from_pretrained(model.source, dtype=torch.float32).eval()
    for name, layer in reference.named_modules():
        if f"{name}.weight_scale" in tensors:
            layer.weight.data = tensors[f"{name}.weight"].float() * tensors[f"{name}.weight_scale"].float()
            layer.register_forward_pre_hook(round_tokens)
    return reference


def compressed_tensors(model):
    """transformers with compressed-tensors on W4A16 and W8A8."""
    from transformers import AutoModelForCausalLM
    for name, rounding, samples in (("w4a16", ["--rtn=bits=4 group-size=64"], 32),
                                    ("w8a8", ["--rtn=bits=8 activations=per-token"], 8)):
        folder, module, parameters = model.save(name, rounding, "format=compressed-tensors lossless")
        ours, ids = model.logits(module, parameters), model.ids()[0]
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        theirs = forward(loaded, ids)
        our_perplexity, their_perplexity = model.perplexity(module, parameters, samples), perplexity(loaded, model.ids(samples))
        label = f"{model.name} {name} in transformers"
        print(f"{label}: greatest difference {(theirs - ours).abs().max():.3g} of {theirs.abs().max():.3g}")
        print(f"{label}: perplexity on {samples} samples {their_perplexity:.5f}, quant-run {our_perplexity:.5f}")
        if name == "w4a16":
            check(f"{label}: SQNR of logits, dB", sqnr(theirs, ours), 90)
            check(f"{label}: difference of perplexities", abs(their_perplexity - our_perplexity), greatest=0.02)
            continue
        # Rounded activations flip from one integer to the next at any difference, and this model amplifies that to the
        # whole of its quantization noise: the reference with scales off by 1e-6 is as far from itself as from ours. So
        # what is exact is the reading of the folder; ours is held to that floor. (tiny, which is calmer, is compared
        # in written_by_others.py.) Their scale of a token is absmax / 127.5, ours absmax / 127.
        check(f"{label}: SQNR to the reference, dB", sqnr(forward(w8a8_reference(model, folder, 127.5), ids), theirs), 100)
        reference = forward(w8a8_reference(model, folder, 127), ids)
        floor = sqnr(reference, forward(w8a8_reference(model, folder, 127 / (1 + 1e-6)), ids))
        check(f"{label}: quant-run's SQNR to the reference, dB (floor {floor:.1f})", sqnr(reference, ours), floor - 3)


def gptq(model):
    """GPTQModel's dequantization of both versions, symmetric and not; and its forward."""
    from gptqmodel import BACKEND, GPTQModel
    for version in ("gptq", "gptq_v2"):
        # Of the first version, GPTQModel reads zero points only if it wrote them itself.
        for bits, symmetric in ((4, True), (8, True)) if version == "gptq" else ((4, True), (4, False)):
            name = f"{version}-{bits}-{'sym' if symmetric else 'asym'}"
            rounding = [f"--rtn=bits={bits} group-size=64 symmetric={str(symmetric).lower()} scale-type=f16"]
            folder, module, parameters = model.save(name, rounding, f"format={version} lossless")
            add_tokenizer(folder)
            loaded = GPTQModel.load(str(folder), device="cpu", backend=BACKEND.TORCH, dtype=torch.float16)
            expected = our_weights(parameters, bits)
            layers = {key.removeprefix("model.model."): layer for key, layer in loaded.named_modules()
                      if hasattr(layer, "dequantize_weight")}
            layers = {key if key in expected else "model." + key: layer for key, layer in layers.items()}
            check(f"{name} in GPTQModel: layers missing", len(set(expected) ^ set(layers)), 0, 0)
            worst = max((layer.dequantize_weight().T.float() - expected[key]).abs().max().item() /
                        expected[key].abs().max().item() for key, layer in layers.items())
            # GPTQModel multiplies in 16 bits where the scales have them: its values are ours, rounded to f16.
            check(f"{name} in GPTQModel: greatest relative difference of weights", worst, greatest=2**-11)
            exact = all(torch.equal(layer.dequantize_weight().T.half(), expected[key].half())
                        for key, layer in layers.items())
            check(f"{name} in GPTQModel: weights equal in f16", exact, 1)
            theirs = forward(loaded.model, model.ids()[0])
            check(f"{name} in GPTQModel: SQNR of logits, dB", sqnr(theirs, model.logits(module, parameters)), 50)


def awq(model):
    """AutoAWQ's dequantize_gemm, the code of its layer where there is no GPU."""
    from awq.utils.packing_utils import dequantize_gemm
    for symmetric in ("true", "false"):
        rounding = [f"--rtn=bits=4 group-size=64 symmetric={symmetric} scale-type=f16"]
        folder, module, parameters = model.save(f"awq-{symmetric}", rounding, "format=awq lossless")
        tensors = load_file(folder / "model.safetensors")
        for key, expected in our_weights(parameters, 4).items():
            found = dequantize_gemm(*(tensors[f"{key}.{part}"] for part in ("qweight", "qzeros", "scales")), 4, 64)
            if not torch.equal(found.T.float(), expected.half().float()):
                check(f"awq symmetric={symmetric}: {key} differs", 1, 0, 0)
        check(f"awq symmetric={symmetric} in AutoAWQ: weights equal in f16", 1, 1)


def main():
    tools, models, weights, work = map(pathlib.Path, sys.argv[1:5])
    work = work / "read"
    for part in sys.argv[5:]:
        if part == "compressed-tensors":
            compressed_tensors(Model("smollm2", tools, models, weights, work / part))
        else:
            tiny = Model("tiny", tools, models, models / "tiny/weights.safetensors", work / part)
            {"gptq": gptq, "awq": awq}[part](tiny)
    sys.exit(check.failed > 0)


if __name__ == "__main__":
    main()
