# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From exported programs to one module of linalg on tensors with named arguments, as text that MLIR 22 reads."""
from __future__ import annotations

import re

import torch
from torch_mlir import fx, ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras.fx_importer import FxImporter

from ptq_export.errors import ExportError, summary
from ptq_export.tracing import MODULE, Function

UPSTREAM = {"builtin", "func", "linalg", "tensor", "arith", "math", "cf", "scf", "affine"}


def lower(functions: list[Function]) -> str:
    """The module's text."""
    context = ir.Context()
    torch_dialect.register_dialect(context)
    context.allow_unregistered_dialects = True
    errors: list[str] = []
    context.attach_diagnostic_handler(lambda diagnostic: bool(errors.append(describe(diagnostic))) or True)
    importer = FxImporter(context=context)
    module = None
    for function in functions:
        last = function is functions[-1]
        try:
            module = fx.export_and_import(
                function.program,
                fx_importer=importer,
                func_name=function.name,
                output_type="linalg-on-tensors" if last else "raw",
                decomposition_table={},
            )
        except Exception as error:
            raise ExportError(explain(errors or [summary(error)], functions)) from error
    with context, ir.Location.unknown():
        check_dialects(module, functions)
        for function in functions:
            name_arguments(module, function)
    return module.operation.get_asm()


def name_arguments(module: ir.Module, function: Function) -> None:
    """Attaches `ptq.input`, `ptq.parameter` and `ptq.output`."""
    arguments = [("ptq.input", name) for name in function.inputs] + [("ptq.parameter", key) for key in function.tensors]
    outputs = [("ptq.output", name) for name in function.outputs]
    op = next(o for o in module.body.operations if ir.StringAttr(o.attributes["sym_name"]).value == function.name)
    kind = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value)
    if len(kind.inputs) != len(arguments) or len(kind.results) != len(outputs):
        raise ExportError(
            f"torch-mlir made the function '{function.name}' with {len(kind.inputs)} arguments and {len(kind.results)} "
            f"results, expected {len(arguments)} and {len(outputs)}; its version may be one that this tool does not know"
        )
    for attribute, names in (("arg_attrs", arguments), ("res_attrs", outputs)):
        dictionaries = [ir.DictAttr.get({key: ir.StringAttr.get(value)}) for key, value in names]
        op.attributes[attribute] = ir.ArrayAttr.get(dictionaries)


def check_dialects(module: ir.Module, functions: list[Function]) -> None:
    """Refuses operations that upstream MLIR does not have."""

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name.split(".")[0] not in UPSTREAM and not op.name.endswith(".yield"):
            foreign.append(op.name)
        return ir.WalkResult.ADVANCE

    foreign: list[str] = []
    module.operation.walk(visit)
    if foreign:
        suspects = {"scan": "cumsum cumprod cummax", "sort": "sort argsort", "topk": "topk",
                    "scatter": "scatter index_put"}
        words = next((names for word, names in suspects.items() if word in foreign[0]), "").split()
        origins = [origin(n) for n in nodes(functions) if any(word in operator(n) for word in words)]
        where = f"; it stands for {origins[0]}" if origins else ""
        raise ExportError(f"torch-mlir lowers a part of the model to '{foreign[0]}', which is not upstream MLIR{where}")


def describe(diagnostic: ir.Diagnostic) -> str:
    """A diagnostic's message and the innermost line of Python that it is about."""
    place = re.search(r'"([^"]+)":(\d+)', str(diagnostic.location))
    where = f" ({place[1].rsplit('/', 1)[-1]}:{place[2]})" if place else ""
    return diagnostic.message + where


def explain(errors: list[str], functions: list[Function]) -> str:
    """What operation failed, and in which module of the model."""
    for error in errors:
        name = re.search(r'name = "torch\.([\w.]+)"', error) or re.search(r"'torch\.(aten\.[\w.]+)'", error)
        found = [node for node in nodes(functions) if name and operator(node) in (name[1], f"{name[1]}.default")]
        if name:
            where = f" in {location(found[0])}" if found else ""
            return f"torch-mlir cannot lower the operation '{name[1]}'{where}"
    return f"torch-mlir cannot lower the model: {summary(Exception(errors[0]))}"


def nodes(functions: list[Function]) -> list[torch.fx.Node]:
    return [node for function in functions for node in function.program.graph.nodes if node.op == "call_function"]


def operator(node: torch.fx.Node) -> str:
    return str(node.target)


def origin(node: torch.fx.Node) -> str:
    return f"'{operator(node)}' in {location(node)}"


def location(node: torch.fx.Node) -> str:
    """The innermost module of the model that a node comes from, with its class."""
    module = node.meta.get("custom", {}).get(MODULE)
    return f"the module {module}" if module else "the model's own code"
