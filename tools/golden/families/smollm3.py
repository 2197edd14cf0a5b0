"""SmolLM3."""

from layout import with_tied_head

SMOLLM3 = {
    "model_type": "smollm3", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "rms_norm_eps": 1e-6, "rope_theta": 50000.0, "max_position_embeddings": 256,
    "no_rope_layer_interval": 4, "use_sliding_window": False, "sliding_window": None, "pretraining_tp": 2,
}

CASES = {
    "smollm3": SMOLLM3 | {"no_rope_layers": [1, 1, 1, 0]},
    "smollm3-untied-biases": SMOLLM3 | {
        "num_hidden_layers": 3, "no_rope_layer_interval": 2, "head_dim": 24, "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True,
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    },
    "smollm3-sliding": SMOLLM3 | {"num_hidden_layers": 3, "no_rope_layer_interval": 2, "use_sliding_window": True, "sliding_window": 16},
    "smollm3-layer-types": SMOLLM3 | {
        "num_hidden_layers": 3, "no_rope_layers": [0, 1, 1], "sliding_window": 16, "num_key_value_heads": 4,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    },
    "smollm3-4bit": SMOLLM3 | {"hidden_size": 128, "intermediate_size": 256, "quantization": {"group_size": 64, "bits": 4}},
}


def mlx_config(config):
    """mlx-lm does not let the layers without positions slide of itself."""
    if not config["use_sliding_window"]:
        return config
    interval, layers = config["no_rope_layer_interval"], range(config["num_hidden_layers"])
    return config | {"layer_types": ["full_attention" if (i + 1) % interval else "sliding_attention" for i in layers]}


def extra(config):
    return {"model.layers.1.self_attn.rotary_emb.inv_freq": ("float32", [8])}


def rename(name, shape, config):
    return with_tied_head(name, config.get("tie_word_embeddings", True))
