# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a model takes and returns: the inputs of the exported functions, by kind of model.

  causal            ids [1, N]                     logits
  encoder           ids, mask [1, N]               logits or last hidden state
  encoder-decoder   ids, decoder_ids [1, N]        logits or last hidden state
  features          the model's own main input (pixel_values, input_features), and decoder_ids where there is a decoder

The batch is 1: quant-opt and quant-run take many samples of one. The mask is the encoder's padding mask, 1 or 0.
"""
from __future__ import annotations

import dataclasses
import inspect

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from ptq_export.errors import ExportError

DEFAULT_LENGTH = 256
# Length at which a program with a symbolic length is traced; any other than 0 and 1, and than the model's widths.
EXAMPLE_LENGTH = 19


@dataclasses.dataclass
class Input:
    """An input of the exported function: its name (`ptq.input`), transformers' name, and an example."""

    name: str
    argument: str
    example: torch.Tensor
    dynamic: dict[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Interface:
    kind: str
    inputs: list[Input]
    length: int | None
    """Tokens in a sample; None if it is symbolic, or if the model takes no tokens."""

    @property
    def takes_tokens(self) -> bool:
        return any(value.name == "ids" for value in self.inputs)

    def arguments(self, model: torch.nn.Module, values: dict[str, torch.Tensor]) -> dict[str, object]:
        """The keyword arguments of the model's forward for these inputs."""
        accepted = inspect.signature(model.forward).parameters
        result: dict[str, object] = {value.argument: values[value.name] for value in self.inputs}
        if self.kind == "causal" and "position_ids" in accepted:
            result["position_ids"] = torch.arange(values["ids"].shape[1])[None]
        if "use_cache" in accepted:
            result["use_cache"] = False
        return result


def interface_of(model: transformers.PreTrainedModel, length: int | str) -> Interface:
    """The interface for a sequence of `length` tokens, or of any number if it is "dynamic"."""
    config = model.config
    accepted = inspect.signature(model.forward).parameters
    tokens = EXAMPLE_LENGTH if length == "dynamic" else int(length)
    symbolic = length == "dynamic"
    check_length(model, tokens)

    def ids(name: str, argument: str, dimension: str) -> Input:
        example = torch.arange(tokens)[None] % max(2, vocabulary(model) - 1)
        return Input(name, argument, example, {1: dimension} if symbolic else {})

    main = model.main_input_name
    fixed = None if symbolic else tokens
    decoder = "decoder_input_ids" in accepted
    if main != "input_ids":
        inputs = [Input(main, main, features(model))]
        if decoder:
            inputs.append(ids("decoder_ids", "decoder_input_ids", "length"))
        return Interface("features", inputs, None)
    if decoder:
        inputs = [ids("ids", "input_ids", "length"), ids("decoder_ids", "decoder_input_ids", "decoder_length")]
        return Interface("encoder-decoder", inputs, fixed)
    if is_causal(model):
        return Interface("causal", [ids("ids", "input_ids", "length")], fixed)
    inputs = [ids("ids", "input_ids", "length")]
    if "attention_mask" in accepted:
        mask = Input("mask", "attention_mask", torch.ones(1, tokens, dtype=torch.int64), dict(inputs[0].dynamic))
        inputs.append(mask)
    return Interface("encoder", inputs, fixed)


def is_causal(model: transformers.PreTrainedModel) -> bool:
    """Whether a token sees only those before it: the class generates, or is another head on a model that does."""
    if model.config.is_encoder_decoder:
        return False
    kind = model.config.model_type
    return model.can_generate() or kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def vocabulary(model: transformers.PreTrainedModel) -> int:
    return getattr(model.config.get_text_config(), "vocab_size", None) or 2


def longest(model: transformers.PreTrainedModel) -> int | None:
    """The longest sequence that the model has positions for, where it says so."""
    config = model.config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_target_positions", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            # RoBERTa's first positions are those of padding.
            roberta = name == "max_position_embeddings" and "roberta" in config.model_type
            return value - (config.pad_token_id or 0) - 1 if roberta else value
    return None


def check_length(model: transformers.PreTrainedModel, length: int) -> None:
    most = longest(model)
    if length < 2:
        raise ExportError(f"--length={length}: a sequence has at least 2 tokens")
    if most is not None and length > most:
        raise ExportError(f"--length={length}: the model has positions for {most} tokens")


def features(model: transformers.PreTrainedModel) -> torch.Tensor:
    """An example of a model's main input that is not made of tokens."""
    config, main = model.config, model.main_input_name
    vision = getattr(config, "vision_config", config)
    if main == "pixel_values" and hasattr(vision, "image_size"):
        size = vision.image_size
        height, width = (size, size) if isinstance(size, int) else size
        shape = [1, vision.num_channels, height, width]
    elif main == "input_features" and hasattr(config, "max_source_positions"):
        shape = [1, config.num_mel_bins, 2 * config.max_source_positions]
    else:
        raise ExportError(f"{type(model).__name__} takes '{main}', whose shape config.json does not tell")
    return torch.zeros(shape, dtype=model.dtype)
