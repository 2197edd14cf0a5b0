"""Granite 4.0: a state space of Mamba-2 in most layers, attention in some; experts or an MLP. mlx-lm has no key for head_dim: it is
set in its modules."""

import mlx.nn as nn
from layout import fused

COMMON = {
    "model_type": "granitemoehybrid", "hidden_size": 64, "intermediate_size": 48, "shared_intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "attention_bias": False, "embedding_multiplier": 0.6, "attention_multiplier": 0.11, "residual_multiplier": 0.4, "logits_scaling": 1.5,
    "layer_types": ["mamba", "attention", "mamba"], "mamba_n_heads": 8, "mamba_n_groups": 1, "mamba_d_state": 12, "mamba_d_head": 16,
    "mamba_d_conv": 4, "mamba_expand": 2, "mamba_conv_bias": True, "mamba_proj_bias": False, "mamba_chunk_size": 16, "num_local_experts": 0,
    "num_experts_per_tok": 0, "position_embedding_type": "nope", "time_step_limit": [0.0, 1000.0], "tie_word_embeddings": True,
}
MIXTURE = COMMON | {"intermediate_size": 40, "num_local_experts": 6, "num_experts_per_tok": 2}
ATTENDS = {"position_embedding_type": "rope", "rope_theta": 5000.0}
ROUTER = {"group_size": 64, "bits": 8}

CASES = {
    "granite4-h": MIXTURE,
    "granite4-h-groups-bounds": COMMON | ATTENDS | {
        "mamba_n_groups": 2, "mamba_conv_bias": False, "mamba_proj_bias": True, "mamba_d_conv": 3, "mamba_d_head": "auto", "time_step_limit": [0.4, 0.9],
        "attention_bias": True, "head_dim": 24, "tie_word_embeddings": False,
    },
    "granite4": COMMON | ATTENDS | {"layer_types": ["attention", "attention"], "num_hidden_layers": 2},
    "granite4-h-4bit": MIXTURE | {
        "hidden_size": 128, "intermediate_size": 64, "shared_intermediate_size": 64, "num_hidden_layers": 2, "layer_types": ["mamba", "attention"],
        "mamba_n_heads": 16, "quantization": {"group_size": 64, "bits": 4} | {f"model.layers.{i}.block_sparse_moe.router.layer": ROUTER for i in range(2)},
    },
}
JUDGE = {"granite4-h-groups-bounds": "transformers"}  # mlx-lm norms all groups together
WHOLE = {"granite4-h-groups-bounds"}  # transformers bounds no step of a single position
SHARED = {"gate_proj": 0, "up_proj": 1}


def drawn(name, module, key, config):
    return (0.0, 0.6) if "router" in name and config["num_local_experts"] else None  # the experts differ in weight


def mlx_config(config):
    return config | ({"mamba_d_head": config["mamba_expand"] * config["hidden_size"] // config["mamba_n_heads"]} if config["mamba_d_head"] == "auto" else {})


def adapt(model, config):
    if "head_dim" not in config:
        return
    size, heads, kv, head = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    for layer in model.layers:
        if layer.layer_type == "attention":
            attention, bias = layer.self_attn, config["attention_bias"]
            attention.q_proj, attention.o_proj = nn.Linear(size, heads * head, bias), nn.Linear(heads * head, size, bias)
            attention.k_proj, attention.v_proj = nn.Linear(size, kv * head, bias), nn.Linear(size, kv * head, bias)
            attention.rope = nn.RoPE(head, base=config["rope_theta"])


def rename(name, shape, config):
    if name.endswith("conv1d.weight"):
        return [(name, {"permute": [0, 2, 1]})]
    for path, to, axis in ((".block_sparse_moe.switch_mlp.", ".block_sparse_moe.", 1), (".mlp.", ".shared_mlp.", 0)):
        before, at, rest = name.partition(path)
        if not at:
            continue
        matrix = rest.removesuffix(".weight")
        if matrix in SHARED:
            return fused(f"{before}{to}input_linear.weight", SHARED[matrix], axis=axis)
        return f"{before}{to}output_linear.weight"
    return name
