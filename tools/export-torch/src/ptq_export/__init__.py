# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns a Hugging Face folder into a module that quant-opt takes, without copying its weights."""
