# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the checks of checkpoints share: the models' folders, our tools, and how outputs are compared."""
import json
import math
import os
import pathlib
import shutil
import subprocess

import torch
from safetensors.torch import load_file, save_file

# What test/Models/<name>/model.mlir was exported from.
CONFIGS = {
    "tiny": dict(hidden_size=256, intermediate_size=640, num_hidden_layers=4, num_attention_heads=8,
                 num_key_value_heads=2, head_dim=32, vocab_size=256, max_position_embeddings=256,
                 rope_theta=10000.0, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0),
    "smollm2": dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                    num_key_value_heads=3, head_dim=64, vocab_size=49152, max_position_embeddings=8192,
                    rope_theta=100000.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2),
}


class Checks:
    """A list of comparisons with bounds; prints each, remembers whether all held."""

    def __init__(self):
        self.failed = 0

    def __call__(self, name, value, least=-math.inf, greatest=math.inf):
        good = least <= value <= greatest
        self.failed += not good
        bounds = " to ".join(f"{b:g}" for b in (least, greatest) if math.isfinite(b))
        print(f"{name}: {value:.6g}, allowed {'from ' if greatest == math.inf else 'up to ' if least == -math.inf else ''}"
              f"{bounds}{'' if good else ', FAILED'}", flush=True)


class Model:
    """One of test/Models with its float folder."""

    def __init__(self, name, tools, models, weights, work):
        self.name, self.tools, self.work = name, pathlib.Path(tools), pathlib.Path(work)
        self.mlir = pathlib.Path(models, name, "model.mlir")
        self.samples = pathlib.Path(models, name, "evaluation.safetensors")
        self.calibration = pathlib.Path(models, name, "calibration.safetensors")
        self.weights = pathlib.Path(weights)
        self.source = self.work / f"{name}-float"
        self.work.mkdir(parents=True, exist_ok=True)
        self.source.mkdir()
        config = dict(architectures=["LlamaForCausalLM"], model_type="llama", rms_norm_eps=1e-5, hidden_act="silu",
                      attention_bias=False, mlp_bias=False, torch_dtype="float32", **CONFIGS[name])
        (self.source / "config.json").write_text(json.dumps(config, indent=2))
        os.symlink(self.weights.resolve(), self.source / "model.safetensors")

    def quant_opt(self, *passes):
        return run(self.tools / "quant-opt", self.mlir, *passes)

    def save(self, folder, rounding, save):
        """Rounds and writes a folder; returns where the rounded module and its parameters are."""
        module = self.work / f"{folder}.mlir"
        parameters = self.work / f"{folder}.safetensors"
        self.quant_opt(f"--load-parameters=file={self.weights}", *rounding,
                       f"--save-checkpoint=dir={self.work / folder} from={self.source} {save}",
                       f"--save-parameters=file={parameters}", "-o", module)
        return self.work / folder, module, parameters

    def load(self, folder, options=""):
        """Reads a folder that another tool wrote."""
        folder = pathlib.Path(folder)
        module = self.work / f"{folder.name}.loaded.mlir"
        parameters = self.work / f"{folder.name}.loaded.safetensors"
        self.quant_opt(f"--load-checkpoint=dir={folder} {options}", f"--save-parameters=file={parameters}", "-o", module)
        return module, parameters

    def logits(self, module, parameters):
        """quant-run's logits [tokens, vocabulary] of the first evaluation sample."""
        outputs = self.work / "outputs.safetensors"
        run(self.tools / "quant-run", module, f"--parameters={parameters}", f"--inputs={self.samples}",
            "--max-samples=1", f"--outputs={outputs}")
        (output,) = load_file(outputs).values()
        return output.reshape(-1, output.shape[-1]).float()

    def perplexity(self, module, parameters, samples):
        report = self.work / "perplexity.json"
        run(self.tools / "quant-run", module, f"--parameters={parameters}", f"--inputs={self.samples}",
            f"--max-samples={samples}", "--perplexity=ids", f"--json={report}")
        return json.loads(report.read_text())["perplexity"]

    def ids(self, samples=1):
        """Evaluation samples [samples, tokens]."""
        ids = load_file(self.samples)["ids"]
        return ids.reshape(-1, ids.shape[-1])[:samples]


def run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"failed: {' '.join(map(str, command))}\n{result.stderr[-4000:]}")
    return result.stderr


def forward(model, ids):
    """A causal language model's logits [tokens, vocabulary], as float32."""
    with torch.no_grad():
        logits = model(input_ids=ids.reshape(1, -1)).logits
    return logits.reshape(-1, logits.shape[-1]).float()


def perplexity(model, samples):
    """exp of the mean of all next-token losses of samples [samples, tokens]."""
    losses = []
    for ids in samples:
        losses.append(torch.nn.functional.cross_entropy(forward(model, ids)[:-1], ids[1:], reduction="none"))
    return math.exp(torch.cat(losses).double().mean())


def sqnr(reference, value):
    """10 log10 of |reference|^2 / |value - reference|^2; 200 for equal tensors."""
    noise = (value.double() - reference.double()).square().sum().item()
    return 10 * math.log10(reference.double().square().sum().item() / noise) if noise else 200.0


def our_weights(parameters, bits):
    """{layer: float32 [out, in]} from a file of --save-parameters, by the definition (q - z) s."""
    tensors, result = load_file(parameters), {}
    for key, packed in tensors.items():
        if not key.endswith(".weight_packed"):
            continue
        layer = key.removesuffix(".weight_packed")
        scales = tensors[layer + ".weight_scale"]
        shifts = torch.arange(0, 32, bits, dtype=torch.int64)
        codes = ((packed.long() & 0xFFFFFFFF)[:, :, None] >> shifts) & (2**bits - 1)
        codes = codes.reshape(packed.shape[0], -1) - 2 ** (bits - 1)
        group = codes.shape[1] // scales.shape[1]
        zeros = tensors.get(layer + ".weight_zero_point", torch.zeros_like(scales)).long()
        steps = codes - zeros.repeat_interleave(group, 1)
        result[layer] = steps.float() * scales.float().repeat_interleave(group, 1)
    if not result:
        raise RuntimeError(f"'{parameters}' holds no packed weight")
    return result


def add_tokenizer(folder):
    """A tokenizer of bytes, which some packages want beside any model."""
    from tokenizers import Tokenizer, models
    tokenizer = Tokenizer(models.WordLevel({chr(i + 256): i for i in range(256)}, unk_token=chr(256)))
    tokenizer.save(str(pathlib.Path(folder, "tokenizer.json")))
    pathlib.Path(folder, "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": chr(256), "pad_token": chr(256),
         "eos_token": chr(256), "bos_token": chr(256), "model_max_length": 256}))
