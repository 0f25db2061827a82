#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantizes a model through the C API, with ctypes and nothing else.

  quantize.py LIBRARY MODEL.mlir WEIGHTS.safetensors SAMPLES OUTPUT.mlir OUTPUT.safetensors [PASS [OPTIONS]]

LIBRARY is libPTQ-C.so. PASS is the rounding, with options as on quant-opt's command line: gptq "bits=4 group-size=64"
if none is given.
"""
import ctypes
import sys


class StringRef(ctypes.Structure):
    """MlirStringRef: a pointer and a length, with no zero byte at the end."""
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    @classmethod
    def of(cls, text):
        data = str(text).encode()
        string = cls(ctypes.cast(data, ctypes.c_void_p), len(data))
        string.bytes = data  # lives as long as what points to it
        return string

    def __str__(self):
        return ctypes.string_at(self.data, self.length).decode() if self.length else ""


class Handle(ctypes.Structure):
    """MlirContext, MlirModule, PtqPipeline: a pointer in a structure."""
    _fields_ = [("ptr", ctypes.c_void_p)]


class LogicalResult(ctypes.Structure):
    """MlirLogicalResult: 0 is failure."""
    _fields_ = [("value", ctypes.c_int8)]


MessageCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, StringRef, StringRef, ctypes.c_void_p)


class MessageHandler(ctypes.Structure):
    """PtqMessageHandler."""
    _fields_ = [("callback", MessageCallback), ("user_data", ctypes.c_void_p)]


class Failure(Exception):
    """What the library said."""


class Library:
    """libPTQ-C with its functions' types, and their errors as exceptions."""

    def __init__(self, path, on_message=None):
        self._library = ctypes.CDLL(path)
        self._errors = []
        self._on_message = on_message or (lambda severity, location, message: None)
        # Kept here: the library calls it for as long as it lives.
        self._handler = MessageHandler(MessageCallback(self._take), None)
        string, messages = StringRef, MessageHandler
        for name, result, arguments in [
                ("ptqGetVersion", ctypes.c_char_p, []),
                ("ptqContextCreate", Handle, []),
                ("mlirContextDestroy", None, [Handle]),
                ("ptqModuleRead", Handle, [Handle, string, messages]),
                ("ptqModuleWrite", LogicalResult, [Handle, string, messages]),
                ("mlirModuleDestroy", None, [Handle]),
                ("ptqPipelineCreate", Handle, []),
                ("ptqPipelineDestroy", None, [Handle]),
                ("ptqPipelineAddPass", LogicalResult, [Handle, string, string, messages]),
                ("ptqPipelineLoadParameters", LogicalResult, [Handle, string, messages]),
                ("ptqPipelineCalibrate", LogicalResult, [Handle, string, ctypes.c_int64, messages]),
                ("ptqPipelineSaveParameters", LogicalResult, [Handle, string, messages]),
                ("ptqPipelineRun", LogicalResult, [Handle, Handle, messages])]:
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments

    def _take(self, severity, location, message, _):
        if severity == 0:
            self._errors.append(": ".join(part for part in (str(location), str(message)) if part))
        self._on_message(severity, str(location), str(message))

    def __call__(self, name, *arguments):
        """Calls a function; those that can fail are given the message handler, and raise Failure."""
        function = getattr(self._library, name)
        converted = [StringRef.of(a) if t is StringRef else a for a, t in zip(arguments, function.argtypes)]
        if not function.argtypes or function.argtypes[-1] is not MessageHandler:
            return function(*converted)
        self._errors.clear()
        result = function(*converted, self._handler)
        if not (result.value if isinstance(result, LogicalResult) else result.ptr):
            raise Failure("\n".join(self._errors))
        return result


def quantize(ptq, model, weights, samples, output, output_weights, rounding, options):
    context = ptq("ptqContextCreate")
    pipeline = ptq("ptqPipelineCreate")
    module = None
    try:
        module = ptq("ptqModuleRead", context, model)
        ptq("ptqPipelineLoadParameters", pipeline, weights)
        ptq("ptqPipelineCalibrate", pipeline, samples, 0)
        ptq("ptqPipelineAddPass", pipeline, rounding, options)
        ptq("ptqPipelineSaveParameters", pipeline, output_weights)
        ptq("ptqPipelineRun", pipeline, module)
        ptq("ptqModuleWrite", module, output)
    finally:
        if module:
            ptq("mlirModuleDestroy", module)
        ptq("ptqPipelineDestroy", pipeline)
        ptq("mlirContextDestroy", context)


def main():
    if not 7 <= len(sys.argv) <= 9:
        sys.exit(__doc__)
    library, model, weights, samples, output, output_weights, *rounding = sys.argv[1:]
    names = ["error", "warning", "note", "remark"]
    ptq = Library(library, lambda severity, location, message: print(f"{names[severity]}: {message}", file=sys.stderr))
    name, options = rounding + [""] if len(rounding) == 1 else rounding or ["gptq", "bits=4 group-size=64"]
    print("mlir-ptq", ptq("ptqGetVersion").decode())
    try:
        quantize(ptq, model, weights, samples, output, output_weights, name, options)
    except Failure:
        sys.exit(1)


if __name__ == "__main__":
    main()
