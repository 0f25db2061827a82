# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations that torch-mlir lowers only to its own dialect, or not at all, written with others.

  cumsum   a sum over a triangle, y_i = sum over j <= i of x_j: n^2 work, for the short sequences of positions
  topk     k times the maximum, then that position is taken out; equal values come in order of their index
  scatter  of one value: where an index along the dimension says so, sum over i of [index_i = j] > 0
  gelu     by tanh: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); torch-mlir's own has sqrt(2/pi) to four digits
"""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch_mlir.extras.fx_decomp_util import get_decomposition_table

aten = torch.ops.aten
MOST_CHOSEN = 64


def table() -> dict[torch._ops.OperatorBase, Callable]:
    """torch-mlir's decompositions and these."""
    own = {
        aten.cumsum.default: cumsum,
        aten.topk.default: topk,
        aten.scatter.value: scatter_value,
        aten.gelu.default: gelu,
    }
    return {**get_decomposition_table(), **own}


def gelu(x: torch.Tensor, *, approximate: str = "none") -> torch.Tensor:
    if approximate != "tanh":
        return NotImplemented
    cubic = x + 0.044715 * torch.pow(x, 3)
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * cubic))


def cumsum(x: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> torch.Tensor:
    if dtype is None and not x.is_floating_point():
        dtype = torch.int64
    x = (x if dtype is None else x.to(dtype)).movedim(dim, -1)
    position = torch.arange(x.shape[-1], device=x.device)
    before = position[None, :] <= position[:, None]
    terms = torch.where(before, x.unsqueeze(-2), torch.zeros((), dtype=x.dtype, device=x.device))
    return terms.sum(-1).to(x.dtype).movedim(-1, dim)


def topk(
    x: torch.Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    if k > MOST_CHOSEN or not x.is_floating_point():
        return NotImplemented
    x = x.movedim(dim, -1)
    rest = x if largest else -x
    position = torch.arange(x.shape[-1], device=x.device)
    values, indices = [], []
    for _ in range(k):
        value, index = rest.max(-1, keepdim=True)
        values.append(value)
        indices.append(index)
        rest = torch.where(position == index, torch.full((), -torch.inf, dtype=x.dtype, device=x.device), rest)
    value, index = torch.cat(values, -1), torch.cat(indices, -1)
    return (value if largest else -value).movedim(-1, dim), index.movedim(-1, dim)


def scatter_value(x: torch.Tensor, dim: int, index: torch.Tensor, value: float) -> torch.Tensor:
    x, index = x.movedim(dim, -1), index.movedim(dim, -1)
    if x.shape[:-1] != index.shape[:-1]:
        return NotImplemented
    position = torch.arange(x.shape[-1], device=x.device)
    hits = (index.unsqueeze(-1) == position).to(torch.int64).sum(-2)
    return torch.where(hits > 0, torch.full((), value, dtype=x.dtype, device=x.device), x).movedim(-1, dim)
