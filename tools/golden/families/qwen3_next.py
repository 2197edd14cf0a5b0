"""Qwen3-Next and Qwen 3.5: a gated delta rule in most layers, gated attention in some."""

import copy

from layout import each_expert, fused

COMMON = {
    "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 96, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 256, "full_attention_interval": 4, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 12, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": True}
TEXT = COMMON | {
    "model_type": "qwen3_5_text", "intermediate_size": 96, "rope_parameters": ROPE, "tie_word_embeddings": False, "attn_output_gate": True,
    "mamba_ssm_dtype": "float32", "mtp_num_hidden_layers": 1,
}
SPARSE = {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 40, "num_experts": 8, "num_experts_per_tok": 3}
OF_MIXTURE = {k: v for k, v in TEXT.items() if k != "intermediate_size"} | SPARSE | {"model_type": "qwen3_5_moe_text"}
NEXT = COMMON | SPARSE | {
    "model_type": "qwen3_next", "intermediate_size": 48, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [1],
    "rope_theta": 10000.0, "partial_rotary_factor": 0.25, "tie_word_embeddings": False,
}
ROUTER = {"group_size": 64, "bits": 8}
EIGHT = {f"language_model.model.layers.{i}.mlp.{gate}": ROUTER for i in range(4) for gate in ("gate", "shared_expert_gate")}
WIDE = {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "linear_value_head_dim": 16}


def seeing(model_type, text):
    """The config of a model that also sees."""
    return {"model_type": model_type, "tie_word_embeddings": text["tie_word_embeddings"], "text_config": text, "vision_config": {"depth": 1}}


CASES = {
    "qwen3-5": seeing("qwen3_5", TEXT),
    "qwen3-5-text": TEXT | {
        "layer_types": ["full_attention", "linear_attention", "linear_attention", "full_attention"], "attention_bias": True, "linear_conv_kernel_dim": 3,
        "linear_num_value_heads": 2, "tie_word_embeddings": True, "rope_parameters": ROPE | {"partial_rotary_factor": 0.5, "mrope_section": [4, 2, 2]},
    },
    "qwen3-5-moe": seeing("qwen3_5_moe", OF_MIXTURE),
    "qwen3-5-moe-4bit": seeing("qwen3_5_moe", OF_MIXTURE | WIDE) | {"quantization": {"group_size": 32, "bits": 4} | EIGHT},
    "qwen3-next": NEXT,
    "qwen3-next-every-other": NEXT | {
        "full_attention_interval": 2, "attention_bias": True, "norm_topk_prob": False, "decoder_sparse_step": 2, "mlp_only_layers": [],
        "partial_rotary_factor": 0.5, "rope_theta": 500.0, "tie_word_embeddings": True, "linear_num_key_heads": 3, "linear_num_value_heads": 3,
    },
}
JUDGE = {"qwen3-5-text": "transformers"}  # mlx-lm reads full_attention_interval and no layer_types
NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight", "model.norm.weight", "q_norm.weight", "k_norm.weight")


def mlx_config(config):
    config = copy.deepcopy(config)  # mlx-lm renames keys in it
    if config["model_type"] == "qwen3_5_text":
        config |= {"model_type": "qwen3_5"}
    return config


def adapt(model, config):
    """mlx-lm's layers where layer_types places them otherwise."""
    if "layer_types" not in config:
        return
    from mlx_lm.models import qwen3_5

    text = model.language_model
    for i, kind in enumerate(config["layer_types"]):
        text.args.full_attention_interval = i + 1 if kind == "full_attention" else i + 2
        text.model.layers[i] = qwen3_5.DecoderLayer(text.args, i)


def to_transformers(config):
    text = copy.deepcopy(config.get("text_config", config))
    return text | ({"of_wrapper": True} if "text_config" in config else {})


def drawn(name, module, key, config):
    if name.endswith("mlp.gate.weight"):
        return 0.0, 0.6  # the experts differ in weight
    return None


def extra(config):
    beside = {"mtp.layers.0.input_layernorm.weight": ("bfloat16", [64]), "mtp.fc.weight": ("bfloat16", [64, 128])}
    if "text_config" in config:
        beside["model.visual.blocks.0.attn.qkv.weight"] = ("bfloat16", [24, 8])
    return beside


def rename(name, shape, config):
    inner = name.removeprefix("language_model.")
    to = "model.language_model." + inner.removeprefix("model.") if "text_config" in config and inner.startswith("model.") else inner
    if ".switch_mlp." in to:
        path, _, rest = to.partition(".switch_mlp.")
        matrix, _, key = rest.partition(".")
        if config["model_type"] == "qwen3_next":
            return each_expert(f"{path}.experts.{{}}.{matrix}.{key}", shape)
        if matrix == "down_proj":
            return f"{path}.experts.down_proj"
        return fused(f"{path}.experts.gate_up_proj", ["gate_proj", "up_proj"].index(matrix))
    if to.endswith("conv1d.weight"):
        return [(to, {"permute": [0, 2, 1]})]
    if inner.endswith(NORMS):
        return [(to, {"plus": -1})]
    return to
