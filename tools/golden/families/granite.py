"""Granite 3. mlx-lm has no defaults and no key for head_dim: they are set in its modules."""

import mlx.nn as nn
from layout import with_tied_head

DEFAULTS = {
    "rms_norm_eps": 1e-6, "embedding_multiplier": 1.0, "attention_multiplier": 1.0, "residual_multiplier": 1.0, "logits_scaling": 1.0,
    "attention_bias": False, "mlp_bias": False, "rope_theta": 10000.0,
}


def granite(**keys):
    return {
        "model_type": "granite", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "embedding_multiplier": 0.6, "attention_multiplier": 0.11,
        "residual_multiplier": 0.4, "logits_scaling": 1.5,
    } | keys


CASES = {
    "granite": granite(),
    "granite-untied-biases-linear": granite(
        tie_word_embeddings=False, attention_bias=True, mlp_bias=True, rope_scaling={"type": "linear", "factor": 4.0}
    ),
    "granite-defaults-head-dim": {k: v for k, v in granite(head_dim=24).items() if k not in DEFAULTS and k != "num_key_value_heads"},
    "granite-4bit": granite(  # what mlx-lm packs in eight bits
        hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        quantization={"group_size": 64, "bits": 4, "mode": "affine"}
        | {f"model.layers.{i}.{m}": {"group_size": 64, "bits": 8} for i in range(2) for m in ("self_attn.o_proj", "mlp.down_proj")},
    ),
}


def rename(name, shape, config):
    return with_tied_head(name, config["tie_word_embeddings"])


def drawn(name, module, key, config):
    """Queries that a multiplier of 1 leaves in the range of scores."""
    return (0.0, 0.1) if "head_dim" in config and "q_proj" in name else None


def mlx_config(config):
    """What mlx-lm has no default for, as transformers has it."""
    return DEFAULTS | {"num_key_value_heads": config["num_attention_heads"]} | config


def adapt(model, config):
    if "head_dim" not in config:
        return
    size, heads, head = config["hidden_size"], config["num_attention_heads"], config["head_dim"]
    kv = config.get("num_key_value_heads", heads)
    for layer in model.layers:
        attention = layer.self_attn
        attention.q_proj, attention.o_proj = nn.Linear(size, heads * head, False), nn.Linear(heads * head, size, False)
        attention.k_proj, attention.v_proj = nn.Linear(size, kv * head, False), nn.Linear(size, kv * head, False)
        attention.rope = nn.RoPE(head, base=config.get("rope_theta", 10000.0))
