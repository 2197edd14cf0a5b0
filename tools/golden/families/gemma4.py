"""Gemma 4: the text model alone, and in the two multimodal forms."""

from layout import fused

ROPE = {
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 3000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}
SLIDE, ALL = "sliding_attention", "full_attention"
# as E2B and E4B: embeddings of each layer, the last layers look back
PLAIN = {
    "model_type": "gemma4_text", "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "global_head_dim": 32, "vocab_size": 96, "vocab_size_per_layer_input": 96, "hidden_size_per_layer_input": 8, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 256, "sliding_window": 16, "layer_types": [SLIDE, ALL, SLIDE, SLIDE, ALL], "num_kv_shared_layers": 2,
    "use_double_wide_mlp": True, "attention_k_eq_v": False, "num_global_key_value_heads": None, "final_logit_softcapping": 4.0, "enable_moe_block": False,
    "rope_parameters": ROPE, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True, "use_bidirectional_attention": None,
}
ALONE = {"num_kv_shared_layers": 0, "use_double_wide_mlp": False, "num_hidden_layers": 3, "layer_types": [SLIDE, SLIDE, ALL]}
# as 31B
EQUAL = {"attention_k_eq_v": True, "num_global_key_value_heads": 1, "hidden_size_per_layer_input": 0}
# as 26B-A4B
MIXTURE = PLAIN | ALONE | EQUAL | {"enable_moe_block": True, "num_experts": 6, "top_k_experts": 3, "moe_intermediate_size": 24}
PACKED = {"hidden_size": 64, "intermediate_size": 64, "hidden_size_per_layer_input": 32}
OUTER = {"model_type": "gemma4", "tie_word_embeddings": True, "vision_config": None, "audio_config": None, "vocab_size": 96}


def routers(config, path):
    return {path.format(i): {"group_size": 64, "bits": 8} for i in range(config["num_hidden_layers"])}


MIXTURE_PACKED = MIXTURE | PACKED | {"hidden_size_per_layer_input": 0, "moe_intermediate_size": 32, "num_hidden_layers": 2, "layer_types": [SLIDE, ALL]}

CASES = {
    "gemma4-text": PLAIN,
    # keys as values with layers that look back, all layers of one width, other turns, biases, no cap, an own head
    "gemma4-text-options": PLAIN | {
        "attention_k_eq_v": True, "num_global_key_value_heads": 1, "use_double_wide_mlp": False, "attention_bias": True, "final_logit_softcapping": None,
        "tie_word_embeddings": False, "vocab_size_per_layer_input": 100, "num_kv_shared_layers": 3, "layer_types": [SLIDE, ALL, SLIDE, ALL, ALL],
        "rope_parameters": {
            ALL: {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 3000.0, "factor": 2.0},
            SLIDE: {"rope_type": "linear", "rope_theta": 100.0, "factor": 4.0},
        },
    },
    "gemma4-text-4bit": PLAIN | PACKED | {"num_hidden_layers": 3, "layer_types": [SLIDE, ALL, ALL], "num_kv_shared_layers": 1, "quantization": {"group_size": 32, "bits": 4}},
    "gemma4": OUTER | {"text_config": MIXTURE},
    "gemma4-4bit": OUTER | {
        "text_config": MIXTURE_PACKED,
        "quantization": {"group_size": 32, "bits": 4} | routers(MIXTURE_PACKED, "language_model.model.layers.{}.router.proj"),
    },
    "gemma4-both": OUTER | {
        "text_config": MIXTURE | {"hidden_size_per_layer_input": 8, "num_hidden_layers": 3, "layer_types": [SLIDE, ALL, ALL], "num_kv_shared_layers": 1, "use_double_wide_mlp": True},
    },
    "gemma4-unified": OUTER | {"model_type": "gemma4_unified", "text_config": PLAIN | ALONE | EQUAL | {"model_type": "gemma4_unified_text", "use_bidirectional_attention": "vision"}},
}
# the two programs differ in what they read where both are said
NOT_UNIFIED = ("hidden_size_per_layer_input", "vocab_size_per_layer_input", "enable_moe_block")


def text_of(config):
    return config.get("text_config", config)


def drawn(name, module, key, config):
    if name.endswith("q_norm.weight"):
        return 0.4, 0.2  # scores are not scaled: with gains of 1 attention is sharp, and roundings grow
    if "embed" in name:
        return 0.0, 0.3
    if name.endswith("router.scale"):
        return 1.0, 0.4
    if name.endswith("router.proj.weight"):
        return None if "quantization" in config else (0.0, 1.0)
    if name.endswith("per_expert_scale"):
        return 1.0, 0.5
    if name.endswith("layer_scalar"):
        return 0.8, 0.3
    return None


def adapt(model, config):
    import mlx.nn as nn

    if not text_of(config).get("attention_bias"):
        return
    for layer in model.layers:
        attention = layer.self_attn
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            if name in attention:
                attention[name].bias = attention[name].weight[:, 0]


def mlx_config(config):
    if config["model_type"] != "gemma4_unified":
        return config
    return config | {"model_type": "gemma4"}


def to_transformers(config):
    if "text_config" not in config:
        return config
    text = {k: v for k, v in config["text_config"].items() if config["model_type"] != "gemma4_unified" or k not in NOT_UNIFIED}
    return text | {"of_wrapper": True}


def rename(name, shape, config):
    hf = name.replace("language_model.model.", "model.language_model.").replace("experts.switch_glu.", "experts.")
    for order, matrix in enumerate(("gate_proj", "up_proj")):
        if f"experts.{matrix}.weight" in hf:
            return fused(hf.replace(f"{matrix}.weight", "gate_up_proj"), order)
    return hf.replace("experts.down_proj.weight", "experts.down_proj")


def extra(config):
    """Keys, values and norms of layers that have none, and towers."""
    text, out = text_of(config), {}
    before = "model.language_model." if "text_config" in config else "model."
    first = text["num_hidden_layers"] - text["num_kv_shared_layers"]
    for layer in range(first, text["num_hidden_layers"]):
        whole = text["layer_types"][layer] == ALL
        d, kv = text["global_head_dim" if whole else "head_dim"], text["num_key_value_heads"]
        attention = f"{before}layers.{layer}.self_attn."
        out |= {attention + "k_proj.weight": ("float32", [kv * d, text["hidden_size"]]), attention + "k_norm.weight": ("float32", [d])}
        if not text["attention_k_eq_v"]:
            out[attention + "v_proj.weight"] = ("float32", [kv * d, text["hidden_size"]])
    if "text_config" in config:
        out |= {"model.vision_tower.patch_embedder.input_proj.weight": ("float32", [8, 12]), "model.embed_vision.embedding_projection.weight": ("float32", [4, 8])}
    return out
