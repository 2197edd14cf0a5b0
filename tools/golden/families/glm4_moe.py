"""GLM-4.5 to 4.7."""

from layout import each_expert

GLM4_MOE = {
    "model_type": "glm4_moe", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 24, "vocab_size": 96, "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "tie_word_embeddings": False, "rope_theta": 10000.0,
    "rope_scaling": None, "partial_rotary_factor": 0.5, "attention_bias": True, "use_qk_norm": False, "moe_intermediate_size": 40, "n_routed_experts": 8,
    "n_shared_experts": 1, "num_experts_per_tok": 3, "first_k_dense_replace": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.3, "n_group": 1, "topk_group": 1,
}

CASES = {
    "glm4-moe": GLM4_MOE,
    "glm4-moe-qk-norm-groups": GLM4_MOE | {
        "use_qk_norm": True, "attention_bias": False, "n_group": 4, "topk_group": 2, "n_shared_experts": 2, "norm_topk_prob": False, "first_k_dense_replace": 0,
        "partial_rotary_factor": 1.0,
    },
    "glm4-moe-4bit": GLM4_MOE | {
        "hidden_size": 128, "intermediate_size": 128, "moe_intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 32, "quantization": {"group_size": 64, "bits": 4},
    },
}
# mlx-lm sets the scores of groups that are left out to 0, transformers to −∞
JUDGE = {"glm4-moe-qk-norm-groups": "transformers"}


def drawn(name, module, key, config):
    return (0.0, 0.6) if name.endswith("mlp.gate.weight") else None  # the experts differ in weight


def extra(config):
    return {f"model.layers.{config['num_hidden_layers']}.eh_proj.weight": ("float32", [4, 8])}


def rename(name, shape, config):
    if ".switch_mlp." not in name or len(shape) != 3:
        return name
    return each_expert(name.replace(".switch_mlp.", ".experts.{}."), shape)
