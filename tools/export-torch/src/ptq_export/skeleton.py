# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model of a folder without its weights: parameters have shapes only, buffers have their values.

Buffers are computed from the configuration (rotary frequencies, position ids), so they cost nothing; parameters come
from the checkpoint later. A model of any size is built in seconds and in little memory.
"""
from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import torch
import transformers

from ptq_export import experts
from ptq_export.checkpoint import Checkpoint
from ptq_export.errors import ExportError, summary


def build(folder: pathlib.Path, checkpoint: Checkpoint) -> transformers.PreTrainedModel:
    """The model that the configuration names, in the checkpoint's type, with attention written out."""
    config = read_config(folder)
    experts.register()
    try:
        with parameters_without_data():
            model = model_class(config)._from_config(
                config,
                dtype=checkpoint_dtype(config, checkpoint),
                attn_implementation="eager",
                experts_implementation=experts.NAME,
            )
            model.tie_weights()
    except Exception as error:
        raise ExportError(f"transformers cannot build the model of '{folder}': {summary(error)}") from error
    keep_in_float32(model)
    return model.eval().requires_grad_(False)


def read_config(folder: pathlib.Path) -> transformers.PreTrainedConfig:
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ExportError(f"transformers does not take '{folder / 'config.json'}': {summary(error)}") from None
    if getattr(config, "quantization_config", None):
        raise ExportError(
            f"the model in '{folder}' is quantized already (config.json has a quantization_config); export the model "
            "it was made from, then read this folder with quant-opt --load-checkpoint"
        )
    return config


def model_class(config: transformers.PreTrainedConfig) -> type[transformers.PreTrainedModel]:
    """The class under `architectures`; without one, the model without a head."""
    for name in config.architectures or []:
        found = getattr(transformers, name, None)
        if found is None:
            raise ExportError(f"config.json names the architecture '{name}', which transformers does not have")
        return found
    return transformers.AutoModel._model_mapping[type(config)]


def checkpoint_dtype(config: transformers.PreTrainedConfig, checkpoint: Checkpoint) -> torch.dtype:
    """As transformers does: the configuration's type, else that of the first floating tensor."""
    if isinstance(config.dtype, torch.dtype):
        return config.dtype
    for key in checkpoint.keys():
        tensor = checkpoint.tensor(key)
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def keep_in_float32(model: transformers.PreTrainedModel) -> None:
    """Gives float32 to the modules that transformers holds in it whatever the model's type."""
    strict = set(model._keep_in_fp32_modules_strict or [])
    names = strict | (set(model._keep_in_fp32_modules or []) if model.dtype == torch.float16 else set())
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and names & set(name.split(".")):
            parameter.data = parameter.data.float()


@contextlib.contextmanager
def parameters_without_data() -> Iterator[None]:
    """Modules made inside have their parameters on the meta device."""
    original = torch.nn.Module.register_parameter

    def register(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            parameter = torch.nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)
        original(module, name, parameter)

    torch.nn.Module.register_parameter = register
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = original
