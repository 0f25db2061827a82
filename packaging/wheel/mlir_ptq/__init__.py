# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Post-training quantization as MLIR passes: the tools of mlir-ptq. Each command replaces this process by its tool."""
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent
PLUGIN = ROOT / "lib" / "libPTQPlugin.so"


def _run(tool):
    path = str(ROOT / "bin" / tool)
    os.execv(path, [path, *sys.argv[1:]])


def quant_opt():
    _run("quant-opt")


def quant_run():
    _run("quant-run")


def ptx_run():
    _run("ptx-run")


def quant_lsp_server():
    _run("quant-lsp-server")


def demo():
    """ptq-demo DIR: copies the demo's model, weights and texts, and says what to do with them."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: ptq-demo DIR\n\nCopies a small language model into the new folder DIR, to be quantized.")
    target = pathlib.Path(sys.argv[1])
    if target.exists():
        sys.exit(f"ptq-demo: {target} exists; name a folder that does not")
    shutil.copytree(ROOT / "demo", target)
    print(f"""{target} has a byte-level Llama of 3 million parameters. To 4 bits:

  quant-opt {target}/model.mlir --load-parameters=file={target}/weights.safetensors \\
    --calibrate=data={target}/calibration.txt --gptq="bits=4 group-size=64" \\
    --save-parameters=file={target}/quantized.safetensors -o {target}/quantized.mlir

and what that costs in perplexity, on text that calibration did not see:

  quant-run {target}/quantized.mlir --parameters={target}/quantized.safetensors \\
    --inputs={target}/evaluation.safetensors --perplexity=ids""")
