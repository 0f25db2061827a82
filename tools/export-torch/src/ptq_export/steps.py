# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The functions that are traced. Inputs and the checkpoint's tensors are their arguments; the model is kept out of
their state, so that none of its weights becomes a constant."""
from __future__ import annotations

import torch
from torch.func import functional_call
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from ptq_export.binding import Binding, Tensors
from ptq_export.errors import ExportError
from ptq_export.interface import Interface


class Step(torch.nn.Module):
    """The whole model: inputs to its first output."""

    def __init__(self, binding: Binding, interface: Interface):
        super().__init__()
        self.__dict__.update(binding=binding, interface=interface)

    def call(self, tensors: Tensors, arguments: dict[str, object]) -> object:
        model, parameters = self.binding.model, self.binding.parameters(tensors)
        return functional_call(model, parameters, (), arguments, tie_weights=False)

    def forward(self, inputs: Tensors, tensors: Tensors) -> tuple[torch.Tensor, ...]:
        outputs = self.call(tensors, self.interface.arguments(self.binding.model, inputs))
        return (first_output(outputs),)

    def result_names(self, count: int) -> list[str]:
        """Names of the results, as `ptq.output`: the output, then keys and values of each layer's cache."""
        caches = [name for layer in range((count - 1) // 2) for name in cache_names(layer)]
        return ["output", *caches]


class Prefill(Step):
    """The prompt: ids to logits and the cache of each layer."""

    def forward(self, inputs: Tensors, tensors: Tensors) -> tuple[torch.Tensor, ...]:
        cache = DynamicCache()
        arguments = self.interface.arguments(self.binding.model, inputs)
        outputs = self.call(tensors, arguments | {"past_key_values": cache, "use_cache": True})
        return (first_output(outputs), *cached(cache))


class Decode(Step):
    """One more token: ids [1, 1] and the cache of what came before, to logits and the cache longer by one."""

    def forward(self, inputs: Tensors, tensors: Tensors) -> tuple[torch.Tensor, ...]:
        layers = (len(inputs) - 1) // 2
        cache = DynamicCache()
        cache.layers = [filled(*(inputs[name] for name in cache_names(layer))) for layer in range(layers)]
        past = inputs["k0"].shape[-2]
        arguments = self.interface.arguments(self.binding.model, inputs)
        if "position_ids" in arguments:
            arguments["position_ids"] = torch.arange(past, past + 1)[None]
        outputs = self.call(tensors, arguments | {"past_key_values": cache, "use_cache": True})
        return (first_output(outputs), *cached(cache))


def cache_names(layer: int) -> tuple[str, str]:
    return f"k{layer}", f"v{layer}"


def filled(keys: torch.Tensor, values: torch.Tensor) -> DynamicLayer:
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def cached(cache: DynamicCache) -> list[torch.Tensor]:
    if not cache.layers or any(not isinstance(getattr(layer, "keys", None), torch.Tensor) for layer in cache.layers):
        raise ExportError("--decode: the model keeps no keys and values for its layers")
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def first_output(outputs: object) -> torch.Tensor:
    """Logits where the model has them, else its first output."""
    if isinstance(outputs, torch.Tensor):
        return outputs
    logits = getattr(outputs, "logits", None)
    return logits if isinstance(logits, torch.Tensor) else outputs[0]
