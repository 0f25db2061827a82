# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From a step to torch's exported program, decomposed into what torch-mlir takes."""
from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import torch
from torch.fx.traceback import annotate, preserve_node_meta
from transformers import masking_utils

from ptq_export import decompositions
from ptq_export.binding import Binding
from ptq_export.errors import ExportError, summary
from ptq_export.interface import Input, Interface, longest
from ptq_export.steps import Decode, Prefill, Step, cache_names

MODULE = "ptq_module"


@dataclasses.dataclass
class Function:
    """A function to be written: what torch traced and the names of its arguments and results."""

    name: str
    program: torch.export.ExportedProgram
    inputs: list[str]
    tensors: list[str]
    outputs: list[str]


def trace_functions(binding: Binding, interface: Interface, decode: bool) -> list[Function]:
    """`main`, and with `decode` the function of that name; both take the same of the checkpoint's tensors."""
    if not decode:
        return [trace("main", Step(binding, interface), interface.inputs)]
    if interface.kind != "causal":
        raise ExportError(f"--decode: {type(binding.model).__name__} does not predict the next token from a cache")
    main = trace("main", Prefill(binding, interface), interface.inputs)
    return [main, trace("decode", Decode(binding, interface), decode_inputs(main, interface))]


def decode_inputs(main: Function, interface: Interface) -> list[Input]:
    """One token, and a cache for each that the prefill returns, as long as the prompt."""
    caches = results(main.program)[1:]
    symbolic = interface.length is None
    inputs = [Input("ids", "input_ids", torch.zeros(1, 1, dtype=torch.int64))]
    example = interface.inputs[0].example.shape[1]
    for layer in range(len(caches) // 2):
        for name, cache in zip(cache_names(layer), caches[2 * layer : 2 * layer + 2]):
            batch, heads, _, width = cache.shape
            value = torch.zeros(int(batch), int(heads), example, int(width), dtype=cache.dtype)
            inputs.append(Input(name, name, value, {2: "past"} if symbolic else {}))
    return inputs


def trace(name: str, step: Step, inputs: list[Input]) -> Function:
    tensors = step.binding.tensors
    values = {value.name: value.example for value in inputs}
    most = longest(step.binding.model)
    names = {name for value in inputs for name in value.dynamic.values()}
    dimensions = {name: torch.export.Dim(name, min=2, max=most) for name in names}
    shapes = {value.name: {d: dimensions[n] for d, n in value.dynamic.items()} or None for value in inputs}
    dynamic = (shapes, dict.fromkeys(tensors)) if dimensions else None
    model = type(step.binding.model).__name__
    try:
        with torch.no_grad(), one_sequence(), modules_named(step.binding.model):
            program = torch.export.export(step, (values, tensors), dynamic_shapes=dynamic, strict=False)
            program = program.run_decompositions(decompositions.table())
            refuse_mutation(program, model)
            remove_checks(program)
    except ExportError:
        raise
    except Exception as error:
        advice = "; try a fixed --length" if dynamic else ""
        raise ExportError(f"torch.export cannot trace {model}, function '{name}': {summary(error)}{advice}") from error
    keys = drop_unread(program, len(values), list(tensors))
    return Function(name, program, list(values), keys, step.result_names(len(results(program))))


def refuse_mutation(program: torch.export.ExportedProgram, model: str) -> None:
    """A module of linalg on tensors has no state."""
    signature = program.graph_signature
    changed = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if changed:
        raise ExportError(f"{model} changes '{changed[0]}' in place when it runs; only functions of their inputs can be exported")


def remove_checks(program: torch.export.ExportedProgram) -> None:
    """Checks of types that hold already, since the types are known."""
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)


def drop_unread(program: torch.export.ExportedProgram, inputs: int, keys: list[str]) -> list[str]:
    """Removes the tensors of the checkpoint that nothing reads from the program's arguments; returns the others' keys."""
    names = dict(zip(program.graph_signature.user_inputs[inputs:], keys))
    unread = {node.name: node for node in program.graph.nodes if node.name in names and not node.users}
    specs = program.graph_signature.input_specs
    specs[:] = [spec for spec in specs if getattr(spec.arg, "name", None) not in unread]
    for node in unread.values():
        program.graph.erase_node(node)
    return [key for name, key in names.items() if name not in unread]


def results(program: torch.export.ExportedProgram) -> list[torch.Tensor]:
    """The results, as tensors without data."""
    nodes = {node.name: node for node in program.graph.nodes}
    return [nodes[name].meta["val"] for name in program.graph_signature.user_outputs]


@contextlib.contextmanager
def modules_named(model: torch.nn.Module) -> Iterator[None]:
    """Each node traced inside has MODULE in its annotation: the path and the class of the module that it comes from. (torch
    itself names only modules that are part of the step.)"""
    active: list[contextlib.AbstractContextManager] = []

    def enter(module: torch.nn.Module, path: str) -> None:
        active.append(annotate({MODULE: f"'{path}' ({type(module).__name__})"}))
        active[-1].__enter__()

    def leave(*_: object) -> None:
        active.pop().__exit__(None, None, None)

    handles = []
    for path, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda m, _, path=path: enter(m, path)))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        with preserve_node_meta():
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def one_sequence() -> Iterator[None]:
    """transformers looks in position ids for several sequences packed into one. There is one; while tracing it cannot
    know that from values, and would leave the search in the program."""
    original = masking_utils.find_packed_sequence_indices
    masking_utils.find_packed_sequence_indices = lambda position_ids: None
    try:
        yield
    finally:
        masking_utils.find_packed_sequence_indices = original
