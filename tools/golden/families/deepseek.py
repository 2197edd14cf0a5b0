"""DeepSeek V2 and V3, and GLM-4.7-Flash: multi-head latent attention, experts chosen within groups. mlx-lm's V2 does not run without
rope_scaling, and its GLM-4.7-Flash gives the norms of latents rms_norm_eps, and reads no mlp_layer_types."""

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

V2 = {k: v for k, v in V3.items() if k != "norm_topk_prob"} | {
    "model_type": "deepseek_v2", "topk_method": "group_limited_greedy", "routed_scaling_factor": 4.0, "scoring_func": "softmax", "norm_topk_prob": False,
}
LITE = V3 | {
    "model_type": "glm4_moe_lite", "num_attention_heads": 5, "num_key_value_heads": 5, "qk_nope_head_dim": 12, "v_head_dim": 16, "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.8, "num_nextn_predict_layers": 1, "partial_rotary_factor": 1.0,
    "topk_method": "noaux_tc", "rope_scaling": None,
}
PACKED = {
    "hidden_size": 64, "intermediate_size": 64, "moe_intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "kv_lora_rank": 64, "q_lora_rank": 32, "qk_nope_head_dim": 32, "v_head_dim": 32,
}
AFFINE = {"group_size": 32, "bits": 4, "mode": "affine"}

CASES = {
    "deepseek-v3": V3 | {"rope_scaling": YARN},
    "deepseek-v3-biases": V3 | {
        "attention_bias": True, "q_lora_rank": None, "n_group": 1, "topk_group": 1, "norm_topk_prob": False, "n_shared_experts": 2, "num_hidden_layers": 2,
        "first_k_dense_replace": 0, "num_attention_heads": 3, "num_key_value_heads": 3, "v_head_dim": 20,
    },
    "deepseek-v3-rope-halves": V3 | {"rope_interleave": False, "num_experts_per_tok": 1, "num_hidden_layers": 2},
    "deepseek-v2": V2 | {"rope_scaling": YARN | {"mscale": 0.7}},
    "deepseek-v2-lite": V2 | {
        "topk_method": "greedy", "q_lora_rank": None, "n_group": 1, "topk_group": 1, "n_shared_experts": 2, "num_hidden_layers": 2, "first_k_dense_replace": 0,
        "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 3, "v_head_dim": 20, "attention_bias": True, "rope_scaling": YARN | {"mscale_all_dim": 0.5},
    },
    "deepseek-v2-no-scaling": V2 | {"topk_method": "greedy", "num_hidden_layers": 2, "rope_theta": 3000.0},
    "deepseek-v2-4bit": V2 | PACKED | {"rope_scaling": YARN, "quantization": AFFINE},
    "deepseek-v3-mixed": V3 | PACKED | {
        "quantization": AFFINE | {
            "model.layers.0.self_attn.embed_q": AFFINE | {"bits": 8}, "model.layers.1.self_attn.embed_q": False,
            "model.layers.1.self_attn.unembed_out": {"group_size": 64, "bits": 6},
        },
    },
    "glm4-moe-lite": LITE,
    "glm4-moe-lite-layer-types": {k: v for k, v in LITE.items() if k != "first_k_dense_replace"} | {
        "mlp_layer_types": ["sparse", "dense", "sparse"], "q_lora_rank": None, "attention_bias": True, "n_group": 4, "topk_group": 2, "norm_topk_prob": False,
        "rms_norm_eps": 1e-3, "rope_scaling": YARN, "n_shared_experts": 2,
    },
    "glm4-moe-lite-mxfp4": LITE | PACKED | {"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}},
}
# mlx-lm always turns neighbours, and does not normalise the weight of an only expert
JUDGE = {"deepseek-v3-rope-halves": "transformers"}


def mlx_config(config):
    kinds = config.get("mlp_layer_types")
    if kinds:  # every second layer has experts
        config = config | {"first_k_dense_replace": 0, "moe_layer_freq": 2}
    if config["model_type"] == "deepseek_v2" and "rope_scaling" not in config:
        config = config | {"rope_scaling": {"factor": 1.0}}
    return config


def adapt(model, config):
    """The norms of latents as transformers has them."""
    for layer in model.layers:
        for norm in ("q_a_layernorm", "kv_a_layernorm"):
            if norm in layer.self_attn:
                layer.self_attn[norm].eps = 1e-6


def extra(config):
    """What predicts a further token."""
    if config["model_type"] != "glm4_moe_lite":
        return {}
    return {f"model.layers.{config['num_hidden_layers']}.eh_proj.weight": ("float32", [4, 8])}


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
