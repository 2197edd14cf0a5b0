"""LFM2: gated convolutions over a few positions in most layers, attention in some; with experts."""

from layout import each_expert

COMMON = {
    "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "norm_eps": 1e-5,
    "max_position_embeddings": 256, "conv_bias": False, "conv_L_cache": 3, "rope_theta": 10000.0,
}
DENSE = COMMON | {
    "model_type": "lfm2", "block_dim": 64, "block_ff_dim": 130, "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.1, "block_auto_adjust_ff_dim": True,
    "full_attn_idxs": [1, 3], "tie_embedding": True,
}
PLAIN = {k: v for k, v in DENSE.items() if k not in ("block_ff_dim", "full_attn_idxs", "tie_embedding")} | {
    "intermediate_size": 96, "block_auto_adjust_ff_dim": False, "layer_types": ["conv", "conv", "full_attention", "conv"], "conv_bias": True, "conv_L_cache": 4,
}
MOE = COMMON | {
    "model_type": "lfm2_moe", "intermediate_size": 80, "moe_intermediate_size": 48, "num_experts": 8, "num_experts_per_tok": 3, "num_dense_layers": 1,
    "norm_topk_prob": True, "use_expert_bias": True, "routed_scaling_factor": 1.5, "layer_types": ["conv", "full_attention", "conv", "full_attention"],
}
WIDE = {"hidden_size": 128, "intermediate_size": 128, "moe_intermediate_size": 64, "num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]}
ROUTER = {"group_size": 64, "bits": 8}

CASES = {
    "lfm2": DENSE,
    "lfm2-conv-biases": PLAIN,
    "lfm2-untied-yarn": PLAIN | {
        "head_dim": 24, "tie_word_embeddings": False, "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32},
        "conv_bias": False, "layer_types": ["full_attention", "conv"], "num_hidden_layers": 2,
    },
    "lfm2-moe": MOE,
    "lfm2-moe-unbiased": MOE | {"use_expert_bias": False, "norm_topk_prob": False, "num_dense_layers": 0, "routed_scaling_factor": 1.0, "conv_bias": True},
    "lfm2-moe-4bit": MOE | WIDE | {"quantization": {"group_size": 32, "bits": 4, "model.layers.1.feed_forward.gate": ROUTER}},
}
# mlx-lm reads neither head_dim nor a kind of rope, and ties the head
JUDGE = {"lfm2-untied-yarn": "transformers"}
MATRICES = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}


def drawn(name, module, key, config):
    if name.endswith("feed_forward.gate.weight"):
        return 0.0, 0.6  # the experts differ in weight
    if name.endswith("conv.conv.weight"):
        return 0.0, 0.9
    return None


def adapt(model, config):
    import mlx.nn as nn

    if "head_dim" in config:
        d, head = config["hidden_size"], config["head_dim"]
        for layer in model.layers:
            if layer.is_attention_layer:
                attention = layer.self_attn
                for name, n in (("q_proj", attention.n_heads), ("k_proj", attention.n_kv_heads), ("v_proj", attention.n_kv_heads)):
                    attention[name] = nn.Linear(d, n * head, bias=False)
                attention.out_proj = nn.Linear(attention.n_heads * head, d, bias=False)
                attention.q_layernorm, attention.k_layernorm = nn.RMSNorm(head), nn.RMSNorm(head)
    if config.get("tie_word_embeddings") is False:
        model.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)


def rename(name, shape, config):
    path, _, rest = name.partition(".feed_forward.")
    if name.endswith("conv.conv.weight"):
        return [(name, {"permute": [0, 2, 1]})]
    if ".switch_mlp." in name:
        matrix, _, key = rest.removeprefix("switch_mlp.").partition(".")
        return each_expert(f"{path}.feed_forward.experts.{{}}.{MATRICES[matrix]}.{key}", shape)
    matrix, _, key = rest.partition(".")
    return f"{path}.feed_forward.{MATRICES[matrix]}.{key}" if matrix in MATRICES else name
