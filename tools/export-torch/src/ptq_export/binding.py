# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which tensors of the checkpoint make which parameter of the model.

Most parameters are one tensor under the same name. transformers also renames keys (base models without their prefix,
old spellings) and merges tensors (one for each expert into a stack); its own tables of these are applied to names here,
and to values inside the traced program, so that the module's arguments are the checkpoint's tensors and nothing else.
"""
from __future__ import annotations

import collections
import copy
import dataclasses

import torch
import transformers
from transformers import conversion_mapping, core_model_loading

from ptq_export import experts
from ptq_export.checkpoint import Checkpoint
from ptq_export.errors import ExportError

Tensors = dict[str, torch.Tensor]


@dataclasses.dataclass
class Merge:
    """Parameters that `converter` makes of several tensors: checkpoint keys by the converter's source pattern."""

    target: str
    converter: core_model_loading.WeightConverter
    keys: dict[str, list[str]]


class Binding:
    """The parameters of a model as functions of the checkpoint's tensors."""

    def __init__(self, model: transformers.PreTrainedModel, checkpoint: Checkpoint):
        self.model = model
        self.direct: dict[str, str] = {}
        self.merges: list[Merge] = []
        slots = model.state_dict(keep_vars=True)
        self.dtypes = {name: slot.dtype for name, slot in slots.items()}
        self._match_keys(checkpoint, slots)
        self._bind_aliases(checkpoint, slots)
        self._find_split_experts(slots)
        self._check_complete(checkpoint, slots)
        self.tensors = {key: checkpoint.tensor(key) for key in self._used_keys(checkpoint)}
        self._check_shapes(slots)

    def parameters(self, tensors: Tensors) -> Tensors:
        """The model's parameters by name, computed of the checkpoint's tensors; those of split experts are attached
        to their modules instead."""
        result = {name: tensors[key].to(self.dtypes[name]) for name, key in self.direct.items()}
        split: dict[str, dict[str, list[list[torch.Tensor]]]] = collections.defaultdict(dict)
        for merge in self.merges:
            parts = {p: [tensors[key].to(self.dtypes[merge.target]) for key in keys] for p, keys in merge.keys.items()}
            if merge.target in self.split:
                module, _, name = merge.target.rpartition(".")
                split[module][name] = list(parts.values())
            else:
                result.update(convert(merge, parts, self.model))
        for name, weights in split.items():
            setattr(self.model.get_submodule(name), experts.SPLIT, weights)
        return result

    def _match_keys(self, checkpoint: Checkpoint, slots: Tensors) -> None:
        transforms = conversion_mapping.get_model_conversion_mapping(self.model)
        renamings = [t for t in transforms if isinstance(t, core_model_loading.WeightRenaming)]
        converters = [t for t in transforms if isinstance(t, core_model_loading.WeightConverter)]
        by_pattern = {pattern: converter for converter in converters for pattern in converter.source_patterns}
        prefix = self.model.base_model_prefix
        merges: dict[str, Merge] = {}
        for key in sorted(checkpoint.keys(), key=core_model_loading.dot_natural_key):
            name, pattern = core_model_loading.rename_source_key(key, renamings, converters, prefix, slots)
            if name not in slots and key in slots:
                name, pattern = key, None
            if name not in slots:
                continue
            if pattern is None:
                self.direct[name] = key
                continue
            merge = merges.setdefault(name, Merge(name, by_pattern[pattern], {}))
            merge.keys.setdefault(pattern, []).append(key)
        for merge in merges.values():
            order = merge.converter.source_patterns
            merge.keys = {pattern: merge.keys[pattern] for pattern in order if pattern in merge.keys}
        self.merges = list(merges.values())

    def _bind_aliases(self, checkpoint: Checkpoint, slots: Tensors) -> None:
        """Names of one tied parameter share the tensor that the checkpoint has. If it has several, and they differ,
        they are not tied, as in transformers."""
        aliases: dict[int, list[str]] = collections.defaultdict(list)
        for name, slot in slots.items():
            aliases[id(slot)].append(name)
        for names in aliases.values():
            bound = [name for name in names if name in self.direct]
            if not bound or len(names) == 1:
                continue
            first = self.direct[bound[0]]
            for name in names:
                own = self.direct.get(name, first)
                same = own == first or torch.equal(checkpoint.tensor(own), checkpoint.tensor(first))
                self.direct[name] = first if same else own

    def _find_split_experts(self, slots: Tensors) -> None:
        """Stacks of experts whose parts the program takes as they are."""
        self.split = set()
        for merge in self.merges:
            module, _, name = merge.target.rpartition(".")
            operations = [type(operation) for operation in merge.converter.operations]
            stacks = operations == [core_model_loading.MergeModulelist]
            joins = operations == [core_model_loading.MergeModulelist, core_model_loading.Concatenate]
            owner = self.model.get_submodule(module)
            if not (stacks or joins and name == "gate_up_proj") or not hasattr(owner, "_is_expert_parallel"):
                continue
            if all(len(keys) == slots[merge.target].shape[0] for keys in merge.keys.values()) and not owner.is_transposed:
                self.split.add(merge.target)

    def _check_complete(self, checkpoint: Checkpoint, slots: Tensors) -> None:
        made = set(self.direct) | {merge.target for merge in self.merges}
        for merge in self.merges:
            if len(merge.converter.target_patterns) > 1:
                # One to many: the names of the results are known only to the converter.
                parts = {p: [checkpoint.tensor(key) for key in keys] for p, keys in merge.keys.items()}
                made |= set(convert(merge, parts, self.model))
        buffers = {name for name, _ in self.model.named_buffers(remove_duplicate=False)}
        missing = [name for name in slots if name not in made and name not in buffers]
        if missing:
            others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            raise ExportError(
                f"{checkpoint.source}: no tensor for the parameter '{missing[0]}'{others} of "
                f"{type(self.model).__name__}; config.json and the weights do not belong together"
            )

    def _used_keys(self, checkpoint: Checkpoint) -> list[str]:
        used = set(self.direct.values()) | {key for m in self.merges for keys in m.keys.values() for key in keys}
        return sorted((key for key in checkpoint.keys() if key in used), key=core_model_loading.dot_natural_key)

    def _check_shapes(self, slots: Tensors) -> None:
        for name, key in self.direct.items():
            found, expected = list(self.tensors[key].shape), list(slots[name].shape)
            if found != expected:
                raise ExportError(f"the tensor '{key}' has shape {found}, config.json asks for {expected}")


def convert(merge: Merge, parts: dict[str, list[torch.Tensor]], model: transformers.PreTrainedModel) -> Tensors:
    """Runs transformers' own converter on tensors."""
    converter = copy.deepcopy(merge.converter)
    for pattern, tensors in parts.items():
        for key, tensor in zip(merge.keys[pattern], tensors):
            converter.add_tensor(merge.target, key, pattern, lambda tensor=tensor: tensor)
    made = converter.convert(merge.target, model=model, config=model.config)
    return {name: value[0] if isinstance(value, list) else value for name, value in made.items()}
