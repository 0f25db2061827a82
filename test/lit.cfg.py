# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The text tests: what runs is LLVM's lit, its shell, FileCheck and not.

import os
import shutil

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "mlir-ptq"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.ptq_build_dir, "test")
# Inputs of tests, and tests of other kinds.
config.excludes = ["Inputs", "Models", "Forms", "Unit", "Integration", "Benchmark", "Fuzz", "Faults"]

llvm_config.use_default_substitutions()
tools_dir = os.path.join(config.ptq_build_dir, "bin")
tools = ["quant-opt", "quant-run", "ptx-run", "quant-lsp-server"]
llvm_config.add_tool_substitutions(
    [ToolSubst(tool) for tool in tools if os.path.exists(os.path.join(tools_dir, tool))], [tools_dir])
llvm_config.add_tool_substitutions(["mlir-tblgen", "llvm-nm", "split-file"], [config.llvm_tools_dir])
# These load libraries of ours. Where those have a sanitizer's runtime, the stock tools need it, too.
preload = ["env", f"LD_PRELOAD={config.ptq_asan_runtime}"] if config.ptq_enable_asan else []
for tool in ["mlir-opt", "mlir-runner"]:
    path = os.path.join(config.llvm_tools_dir, tool)
    llvm_config.add_tool_substitutions([ToolSubst(tool, command=" ".join([*preload, path]))])
config.substitutions += [
    ("%manual", os.path.join(config.ptq_build_dir, "manual")),
    ("%ptq_plugin", os.path.join(config.ptq_build_dir, "lib", "libPTQPlugin.so")),
    ("%ptq_runtime", os.path.join(config.ptq_build_dir, "lib", "libPTQRuntime.so")),
    ("%runner_utils", os.path.join(config.llvm_library_dir, "libmlir_runner_utils.so")),
    ("%c_runner_utils", os.path.join(config.llvm_library_dir, "libmlir_c_runner_utils.so")),
    ("%models", os.path.join(config.test_source_root, "Models")),
    ("%forms", os.path.join(config.test_source_root, "Forms")),
    ("%python", f'"{config.python}"'),
    ("%make_safetensors", f'"{config.python}" "{config.test_source_root}/Inputs/make_safetensors.py"'),
]

for tool in tools:
    if os.path.exists(os.path.join(tools_dir, tool)):
        config.available_features.add(tool)
if shutil.which("ptxas", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/cuda/bin"])):
    config.available_features.add("ptxas")
if config.ptq_enable_asan:
    config.available_features.add("asan")
    config.environment["ASAN_OPTIONS"] = config.ptq_asan_options
