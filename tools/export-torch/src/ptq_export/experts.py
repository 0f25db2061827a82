# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Mixtures of experts without control flow: every expert sees every token, its output is weighted by the router.

For tokens x with routing weights r over chosen experts,  y = sum over e of c_e * expert_e(x),  c_e = the sum of r where
the chosen expert is e: zero where e was not chosen. Each expert is then an ordinary chain of linear layers, which
quant-opt finds and calibrates like any other. It costs experts / chosen times the work when the module is run.

Where the checkpoint has one tensor for each expert, those tensors are used as they are (`split`), and no stacked copy is
ever made.
"""
from __future__ import annotations

import torch
from torch.nn import functional
from transformers.integrations import moe

NAME = "ptq-dense"
SPLIT = "ptq_split_weights"


def register() -> None:
    """Makes this form known to transformers under NAME."""
    moe.ALL_EXPERTS_FUNCTIONS.register(NAME, forward)


def forward(
    module: torch.nn.Module, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    """hidden_states [tokens, width], top_k_index and top_k_weights [tokens, chosen]; returns [tokens, width]."""
    result = torch.zeros_like(hidden_states)
    for index in range(module.num_experts):
        chosen = torch.where(top_k_index == index, top_k_weights, torch.zeros_like(top_k_weights))
        output = expert(module, index, hidden_states) * chosen.sum(-1, keepdim=True)
        result = result + output.to(result.dtype)
    return result


def expert(module: torch.nn.Module, index: int, x: torch.Tensor) -> torch.Tensor:
    if module.has_gate:
        hidden = gated(module, index, x)
    else:
        hidden = module.act_fn(linear(module, "up_proj", index, x))
    output = linear(module, "down_proj", index, hidden)
    return module.post_expert_norm(output) if module.has_post_expert_norm else output


def gated(module: torch.nn.Module, index: int, x: torch.Tensor) -> torch.Tensor:
    """The gate and the projection beside it: two layers where the checkpoint has two tensors."""
    parts = split_weights(module).get("gate_up_proj")
    if parts is None or module.has_bias:
        return module._apply_gate(linear(module, "gate_up_proj", index, x))
    gate, up = (functional.linear(x, part[index]) for part in parts)
    if type(module)._apply_gate is moe._default_apply_gate:
        return module.act_fn(gate) * up
    return module._apply_gate(torch.cat([gate, up], dim=-1))


def linear(module: torch.nn.Module, name: str, index: int, x: torch.Tensor) -> torch.Tensor:
    parts = split_weights(module).get(name)
    if parts is not None:
        weight = torch.cat([part[index] for part in parts]) if len(parts) > 1 else parts[0][index]
    else:
        weight = getattr(module, name)[index]
    if module.is_transposed:
        weight = weight.t()
    bias = getattr(module, f"{name}_bias")[index] if module.has_bias else None
    return functional.linear(x, weight, bias)


def split_weights(module: torch.nn.Module) -> dict[str, list[list[torch.Tensor]]]:
    """For each stacked parameter that the checkpoint holds in parts: its parts, and of each the experts' tensors."""
    return getattr(module, SPLIT, {})
