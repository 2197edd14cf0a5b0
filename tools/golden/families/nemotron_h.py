"""Nemotron-H, Nemotron Nano 2 and Nemotron 3: a layer is a state space of Mamba-2, attention, an MLP or experts."""

from layout import each_expert

COMMON = {
    "model_type": "nemotron_h", "hidden_size": 64, "intermediate_size": 80, "vocab_size": 96, "max_position_embeddings": 256, "layer_norm_epsilon": 1e-5,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "attention_bias": False, "mamba_num_heads": 8, "mamba_head_dim": 12,
    "ssm_state_size": 16, "n_groups": 2, "conv_kernel": 4, "chunk_size": 16, "use_conv_bias": True, "use_bias": False, "mamba_proj_bias": False,
    "mlp_bias": False, "mlp_hidden_act": "relu2", "mamba_hidden_act": "silu", "time_step_min": 1e-6, "time_step_limit": [0.0, 1e9], "tie_word_embeddings": False,
}
EXPERTS = {
    "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3, "moe_intermediate_size": 40, "moe_shared_expert_intermediate_size": 56,
    "norm_topk_prob": True, "routed_scaling_factor": 1.3, "n_group": 1, "topk_group": 1,
}

CASES = {
    "nemotron-h": COMMON | EXPERTS | {"hybrid_override_pattern": "ME*-M", "num_hidden_layers": 5},
    "nemotron-h-biases-bounds": COMMON | {
        "layers_block_type": ["mamba", "mlp", "attention", "mamba"], "use_conv_bias": False, "use_bias": True, "mamba_proj_bias": True, "mlp_bias": True,
        "conv_kernel": 3, "n_groups": 4, "time_step_min": 0.5, "time_step_limit": [0.5, 1e9],
    },
    "nemotron-h-latent-groups": COMMON | EXPERTS | {
        "hybrid_override_pattern": "EM*E", "moe_latent_size": 24, "mlp_bias": True, "n_group": 4, "topk_group": 2, "norm_topk_prob": False, "routed_scaling_factor": 0.7,
    },
    "nemotron-h-4bit": COMMON | EXPERTS | {
        "hidden_size": 128, "intermediate_size": 128, "head_dim": 32, "mamba_head_dim": 16, "moe_intermediate_size": 64, "moe_shared_expert_intermediate_size": 64,
        "hybrid_override_pattern": "M-*E", "quantization": {"group_size": 64, "bits": 4},
    },
}
WHOLE = {"nemotron-h-biases-bounds"}  # transformers bounds no step of a single position


def drawn(name, module, key, config):
    if name.endswith("mixer.gate.weight"):
        return 0.0, 0.6  # the experts differ in weight
    if key == "e_score_correction_bias":  # above 0: mlx-lm has 0 for groups that are not kept
        return 0.5, 0.4
    return None


def extra(config):
    return {"mtp.layers.0.norm.weight": ("float32", [64])}


def rename(name, shape, config):
    if name.endswith("conv1d.weight"):
        return [(name, {"permute": [0, 2, 1]})]
    path, at, rest = name.partition(".switch_mlp.")
    if not at:
        return name
    matrix, _, key = rest.partition(".")
    return each_expert(f"{path}.experts.{{}}.{ {'fc1': 'up_proj', 'fc2': 'down_proj'}[matrix] }.{key}", shape)
