"""DeepSeek V3: multi-head latent attention, experts chosen within groups."""

from layout import each_expert, fused

V3 = {
    "model_type": "deepseek_v3", "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 4, "n_shared_experts": 1, "n_routed_experts": 8, "routed_scaling_factor": 2.5, "kv_lora_rank": 16, "q_lora_rank": 24,
    "qk_rope_head_dim": 8, "v_head_dim": 12, "qk_nope_head_dim": 16, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3, "first_k_dense_replace": 1,
    "norm_topk_prob": True, "vocab_size": 96, "rms_norm_eps": 1e-6, "max_position_embeddings": 256, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "attention_bias": False,
}
YARN = {
    "type": "yarn", "factor": 8.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 0.7, "original_max_position_embeddings": 16,
}

CASES = {
    "deepseek-v3": V3 | {"rope_scaling": YARN},
    "deepseek-v3-biases": V3 | {
        "attention_bias": True, "q_lora_rank": None, "n_group": 1, "topk_group": 1, "norm_topk_prob": False, "n_shared_experts": 2, "num_hidden_layers": 2,
        "first_k_dense_replace": 0, "num_attention_heads": 3, "num_key_value_heads": 3, "v_head_dim": 20,
    },
    "deepseek-v3-rope-halves": V3 | {"rope_interleave": False, "num_experts_per_tok": 1, "num_hidden_layers": 2},
}
# mlx-lm always turns neighbours, and does not normalise the weight of an only expert
JUDGE = {"deepseek-v3-rope-halves": "transformers"}


def drawn(name, module, key, config):
    if name.endswith("mlp.gate.weight"):
        return 0.0, 0.6
    if key == "e_score_correction_bias":  # above 0: mlx-lm has 0 for groups that are not kept
        return 0.5, 0.4
    return None


def rename(name, shape, config):
    path, at, rest = name.partition(".switch_mlp.")
    if at:
        return each_expert(f"{path}.experts.{{}}.{rest}", shape)
    path, _, module = name.removesuffix(".weight").rpartition(".")
    if module in ("embed_q", "unembed_out"):
        heads = config["num_attention_heads"]
        rows = heads * (config["qk_nope_head_dim"] + config["v_head_dim"])
        keys = {"permute": [0, 2, 1]} if module == "embed_q" else {}
        return fused(f"{path}.kv_b_proj.weight", int(module == "unembed_out"), shape=[rows, config["kv_lora_rank"]], **keys)
    return name
