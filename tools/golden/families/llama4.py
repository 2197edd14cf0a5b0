"""Llama 4: chunks, layers that do not turn, experts whose weights multiply what goes in."""

from layout import fused

TEXT = {
    "model_type": "llama4_text", "hidden_size": 64, "intermediate_size": 40, "intermediate_size_mlp": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 24, "vocab_size": 96, "rms_norm_eps": 1e-6, "max_position_embeddings": 256, "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 32},
    "attention_bias": False, "attention_chunk_size": 16, "use_qk_norm": True, "attn_temperature_tuning": True, "floor_scale": 8, "attn_scale": 0.7,
    "interleave_moe_layer_step": 2, "num_local_experts": 6, "num_experts_per_tok": 1, "no_rope_layers": [], "tie_word_embeddings": False, "hidden_act": "silu",
}
OUTER = {"model_type": "llama4", "tie_word_embeddings": False}
PACKED = {"hidden_size": 128, "intermediate_size": 64, "intermediate_size_mlp": 128, "head_dim": 32, "use_qk_norm": False, "attn_temperature_tuning": False, "interleave_moe_layer_step": 1}
ROUTER = {"group_size": 64, "bits": 8}

CASES = {
    "llama4": OUTER | {"text_config": TEXT},
    # as MobileLLM-R1, with layers that mlx-lm has nothing for
    "llama4-text": TEXT | {"moe_layers": [], "num_local_experts": 0, "no_rope_layers": [1, 1, 1], "num_hidden_layers": 3, "attention_chunk_size": 128, "rope_scaling": None, "tie_word_embeddings": True},
    "llama4-options": OUTER | {
        "text_config": TEXT | {
            "num_hidden_layers": 4, "no_rope_layers": [0, 1, 1, 1], "layer_types": ["chunked_attention", "full_attention", "chunked_attention", "chunked_attention"],
            "moe_layers": [0, 2, 3], "num_experts_per_tok": 3, "rms_norm_eps": 1e-2, "attention_bias": True, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        },
    },
    "llama4-4bit": OUTER | {
        "text_config": TEXT | PACKED,
        "quantization": {"group_size": 32, "bits": 4} | {f"language_model.model.layers.{i}.feed_forward.router": ROUTER for i in range(4)},
    },
}
# mlx-lm goes by every fourth layer and every second one, and takes one expert
JUDGE = {"llama4-options": "transformers"}


def drawn(name, module, key, config):
    return (0.0, 0.6) if name.endswith("feed_forward.router.weight") and "quantization" not in config else None  # the experts differ in weight


def mlx_config(config):
    text = config.get("text_config", {})
    if not text.get("moe_layers"):
        return config
    return config | {"text_config": text | {"interleave_moe_layer_step": 1, "num_experts_per_tok": 1}}


def adapt(model, config):
    from mlx_lm.models import llama4

    for i, layer in enumerate(model.layers):
        if i not in config.get("text_config", {}).get("moe_layers", [i]):
            args = model.args.text_config
            layer.feed_forward = llama4.MLP(args, args.intermediate_size_mlp)


def rename(name, shape, config):
    for order, matrix in enumerate(("gate_proj", "up_proj")):
        if f"experts.{matrix}.weight" in name and len(shape) == 3:
            return fused(name.replace(f"{matrix}.weight", "gate_up_proj"), order, axis=2, permute=[0, 2, 1])
    if "experts.down_proj.weight" in name and len(shape) == 3:
        return [(name.replace("down_proj.weight", "down_proj"), {"permute": [0, 2, 1]})]
    return name


def extra(config):
    if "text_config" not in config:
        return {}
    return {"vision_model.class_embedding": ("float32", [8]), "multi_modal_projector.linear_1.weight": ("float32", [4, 8])}
