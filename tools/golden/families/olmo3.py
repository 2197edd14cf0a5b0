"""OLMo 3."""

OLMO3 = {
    "model_type": "olmo3", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "rms_norm_eps": 1e-6, "rope_theta": 500000.0, "max_position_embeddings": 256, "sliding_window": 16,
}
YARN = {
    "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64, "attention_factor": 1.2, "beta_fast": 16.0, "beta_slow": 1.0,
}

CASES = {
    "olmo3": OLMO3,
    "olmo3-yarn": OLMO3 | {"rope_theta": 3000.0, "rope_scaling": YARN},
    "olmo3-tied-biases": OLMO3 | {
        "num_hidden_layers": 3, "num_key_value_heads": 4, "tie_word_embeddings": True, "attention_bias": True,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    },
    "olmo3-rope-parameters": {k: v for k, v in OLMO3.items() if k != "rope_theta"} | {
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 2000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
        },
    },
    "olmo3-4bit": OLMO3 | {"hidden_size": 128, "intermediate_size": 256, "quantization": {"group_size": 64, "bits": 4}},
}

JUDGE = {"olmo3-rope-parameters": "transformers"}


def mlx_config(config):
    return {"rope_theta": 1.0} | config  # it must have one


def adapt(model, config):
    """mlx-lm does not read attention_factor."""
    for layer in model.layers:
        if "attention_factor" in config.get("rope_scaling", {}) and hasattr(layer.self_attn.rope, "mscale"):
            layer.self_attn.rope.mscale = config["rope_scaling"]["attention_factor"]


def to_transformers(config):
    """transformers 5 loses rope_theta on the way to the layers that slide."""
    if "rope_theta" not in config:
        return config
    theta = config["rope_theta"]
    rope = {
        "full_attention": {"rope_type": "default", "rope_theta": theta} | config.get("rope_scaling", {}),
        "sliding_attention": {"rope_type": "default", "rope_theta": theta},
    }
    return {k: v for k, v in config.items() if k not in ("rope_theta", "rope_scaling")} | {"rope_parameters": rope}


def extra(config):
    return {"model.layers.1.self_attn.rotary_emb.inv_freq": ("float32", [8])}
