"""The text parts of Qwen2-VL, Qwen2.5-VL and Qwen3-VL. transformers' numbers are those of the model that
also sees, given a text."""

COMMON = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96,
    "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "silu", "rope_theta": 10000.0,
}
SEES2 = {"depth": 1, "embed_dim": 16, "hidden_size": 64, "num_heads": 2}
SEES = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 64}
SEES3 = SEES | {"deepstack_visual_indexes": [0]}
MROPE = {"type": "mrope", "mrope_section": [2, 3, 3]}
ROPE3 = {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True}
TEXT3 = COMMON | {"model_type": "qwen3_vl_text", "head_dim": 16, "attention_bias": False, "rope_scaling": ROPE3}
MOE3 = TEXT3 | {
    "model_type": "qwen3_vl_moe_text", "moe_intermediate_size": 40, "num_experts": 8, "num_experts_per_tok": 3, "norm_topk_prob": True,
    "decoder_sparse_step": 1, "mlp_only_layers": [1], "tie_word_embeddings": False,
}

CASES = {
    "qwen2-vl": COMMON | {"model_type": "qwen2_vl", "rope_scaling": MROPE, "tie_word_embeddings": True, "vision_config": SEES2},
    "qwen2-5-vl": {
        "model_type": "qwen2_5_vl", "tie_word_embeddings": False, "vision_config": SEES,
        "text_config": COMMON | {"model_type": "qwen2_5_vl_text", "rope_scaling": MROPE | {"type": "default", "rope_type": "default"}},
    },
    "qwen2-5-vl-sliding-yarn": {
        "model_type": "qwen2_5_vl", "tie_word_embeddings": True, "vision_config": SEES,
        "text_config": COMMON | {
            "model_type": "qwen2_5_vl_text", "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1,
            "rope_scaling": MROPE | {"type": "yarn", "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32},
        },
    },
    "qwen3-vl": {"model_type": "qwen3_vl", "tie_word_embeddings": True, "text_config": TEXT3 | {"head_dim": 24}, "vision_config": SEES3},
    "qwen3-vl-moe": {"model_type": "qwen3_vl_moe", "tie_word_embeddings": False, "text_config": MOE3, "vision_config": SEES3},
}
JUDGE = {"qwen2-5-vl-sliding-yarn": "transformers"}  # no windows in mlx-lm's Qwen2


def mlx_config(config):
    if "text_config" not in config:
        return config
    return config | {"text_config": {"tie_word_embeddings": config["tie_word_embeddings"]} | config["text_config"]}


def to_transformers(config):
    return config


def drawn(name, module, key, config):
    if name.endswith("mlp.gate.weight"):
        return 0.0, 0.6  # the experts differ in weight
    return None


def extra(config):
    return {("model." if "text_config" in config else "") + "visual.blocks.0.attn.qkv.weight": ("bfloat16", [24, 8])}


def rename(name, shape, config):
    inner = name.removeprefix("language_model.")
    if "text_config" not in config:
        return inner  # as the first files have it
    to = "model.language_model." + inner.removeprefix("model.") if inner.startswith("model.") else inner
    if ".switch_mlp." not in to:
        return to
    path, _, rest = to.partition(".switch_mlp.")
    matrix = rest.removesuffix(".weight")
    if matrix == "down_proj":
        return [(f"{path}.experts.down_proj", {"permute": [0, 2, 1]})]
    return [(f"{path}.experts.gate_up_proj", {"permute": [0, 2, 1], "axis": 2, "order": ["gate_proj", "up_proj"].index(matrix)})]
