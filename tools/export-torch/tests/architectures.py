# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small random models of many architectures, as transformers' own configurations."""
from __future__ import annotations

import dataclasses

import transformers as t

VOCABULARY = 160
DECODER = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
               max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GROUPED = DECODER | dict(num_key_value_heads=2)


@dataclasses.dataclass
class Architecture:
    name: str
    model: type
    config: object
    linears: int
    """How many linear layers quant-opt must find."""
    decodes: bool = False
    skip: str = ""
    """Layers not to quantize: experts that the checkpoint itself stacks, whose weights are slices."""


def tiny(
    name: str, model: type, config: type, linears: int, decodes: bool = False, skip: str = "", **options: object
) -> Architecture:
    return Architecture(name, model, config(**options), linears, decodes, skip)


def architectures() -> list[Architecture]:
    experts = dict(num_experts_per_tok=2, moe_intermediate_size=64, num_experts=4)
    encoder = DECODER | dict(max_position_embeddings=130)
    return [
        tiny("llama", t.LlamaForCausalLM, t.LlamaConfig, 15, True, **GROUPED),
        tiny("llama_tied", t.LlamaForCausalLM, t.LlamaConfig, 15, **GROUPED, tie_word_embeddings=True),
        tiny("mistral_window", t.MistralForCausalLM, t.MistralConfig, 15, True, **GROUPED, sliding_window=5),
        tiny("qwen2", t.Qwen2ForCausalLM, t.Qwen2Config, 15, True, **GROUPED),
        tiny("qwen3", t.Qwen3ForCausalLM, t.Qwen3Config, 15, True, **GROUPED, head_dim=16),
        tiny("gemma2", t.Gemma2ForCausalLM, t.Gemma2Config, 15, True, **GROUPED, head_dim=16, sliding_window=5),
        tiny("gemma3", t.Gemma3ForCausalLM, t.Gemma3TextConfig, 15, True, **GROUPED, head_dim=16, sliding_window=5),
        tiny("phi3", t.Phi3ForCausalLM, t.Phi3Config, 9, True, **GROUPED),
        tiny("gpt2", t.GPT2LMHeadModel, t.GPT2Config, 9, True, vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4,
             n_positions=128, bos_token_id=1, eos_token_id=2),
        tiny("opt", t.OPTForCausalLM, t.OPTConfig, 13, True, vocab_size=VOCABULARY, hidden_size=64, ffn_dim=128,
             num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128, word_embed_proj_dim=64,
             bos_token_id=1, eos_token_id=2, pad_token_id=0),
        tiny("gpt_neox", t.GPTNeoXForCausalLM, t.GPTNeoXConfig, 9, True, **DECODER),
        tiny("falcon", t.FalconForCausalLM, t.FalconConfig, 9, True, vocab_size=VOCABULARY, hidden_size=64,
             num_hidden_layers=2, num_attention_heads=4, bos_token_id=1, eos_token_id=2, pad_token_id=0),
        tiny("bloom", t.BloomForCausalLM, t.BloomConfig, 9, True, vocab_size=VOCABULARY, hidden_size=64, n_layer=2, n_head=4,
             bos_token_id=1, eos_token_id=2, pad_token_id=0),
        tiny("mixtral", t.MixtralForCausalLM, t.MixtralConfig, 35, True, **GROUPED, num_local_experts=4, num_experts_per_tok=2),
        tiny("qwen2_moe", t.Qwen2MoeForCausalLM, t.Qwen2MoeConfig, 43, True, **GROUPED, **experts,
             shared_expert_intermediate_size=64),
        tiny("gpt_oss", t.GptOssForCausalLM, t.GptOssConfig, 27, skip="experts", **GROUPED, num_local_experts=4,
             num_experts_per_tok=2, head_dim=16),
        tiny("deepseek_v3", t.DeepseekV3ForCausalLM, t.DeepseekV3Config, 30, **DECODER, num_key_value_heads=4, n_routed_experts=4,
             num_experts_per_tok=2, n_group=2, topk_group=1, moe_intermediate_size=64, first_k_dense_replace=1, q_lora_rank=32,
             kv_lora_rank=32, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=16),
        tiny("bert", t.BertForMaskedLM, t.BertConfig, 14, **encoder),
        tiny("roberta", t.RobertaModel, t.RobertaConfig, 12, **encoder),
        tiny("distilbert", t.DistilBertForMaskedLM, t.DistilBertConfig, 14, vocab_size=VOCABULARY, dim=64,
             hidden_dim=128, n_layers=2, n_heads=4, max_position_embeddings=128),
        tiny("electra", t.ElectraModel, t.ElectraConfig, 12, vocab_size=VOCABULARY, embedding_size=64, max_position_embeddings=128,
             hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4),
        tiny("modernbert", t.ModernBertForMaskedLM, t.ModernBertConfig, 10, **DECODER, local_attention=16,
             cls_token_id=1, sep_token_id=2),
        tiny("vit", t.ViTForImageClassification, t.ViTConfig, 13, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
             num_attention_heads=4, image_size=32, patch_size=8, num_labels=10),
        tiny("t5_encoder", t.T5EncoderModel, t.T5Config, 12, vocab_size=VOCABULARY, d_model=64, d_kv=16, d_ff=128,
             num_layers=2, num_heads=4),
        tiny("t5", t.T5ForConditionalGeneration, t.T5Config, 33, vocab_size=VOCABULARY, d_model=64, d_kv=16, d_ff=128,
             num_layers=2, num_heads=4, decoder_start_token_id=0),
        tiny("bart", t.BartForConditionalGeneration, t.BartConfig, 33, vocab_size=VOCABULARY, d_model=64, encoder_layers=2,
             decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
             max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=2),
        tiny("whisper", t.WhisperForConditionalGeneration, t.WhisperConfig, 33, vocab_size=VOCABULARY, d_model=64,
             encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128,
             decoder_ffn_dim=128, num_mel_bins=16, max_source_positions=24, max_target_positions=64,
             bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=1),
    ]
