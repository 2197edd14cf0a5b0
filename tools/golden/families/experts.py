"""Mixtures of experts on Llama's block: Qwen3's, Mixtral, OLMoE."""

from layout import each_expert

COMMON = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "max_position_embeddings": 256, "tie_word_embeddings": False,
}
QWEN3 = COMMON | {
    "model_type": "qwen3_moe", "intermediate_size": 96, "moe_intermediate_size": 48, "head_dim": 16, "num_experts": 8, "num_experts_per_tok": 3,
    "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
}
MIXTRAL = COMMON | {"model_type": "mixtral", "intermediate_size": 48, "num_local_experts": 6, "num_experts_per_tok": 2, "rope_theta": 1000000.0}
OLMOE = COMMON | {"model_type": "olmoe", "intermediate_size": 40, "num_experts": 8, "num_experts_per_tok": 3, "norm_topk_prob": False}
WIDE = {"hidden_size": 128, "intermediate_size": 128, "moe_intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 32}
ROUTER = {"group_size": 64, "bits": 8}

CASES = {
    "qwen3-moe": QWEN3,
    "qwen3-moe-some-layers": QWEN3 | {"mlp_only_layers": [1], "norm_topk_prob": False, "tie_word_embeddings": True, "num_hidden_layers": 4, "decoder_sparse_step": 2},
    "qwen3-moe-biases-sliding": QWEN3 | {"attention_bias": True, "use_sliding_window": True, "sliding_window": 16, "num_experts_per_tok": 1},
    "qwen3-moe-4bit": QWEN3 | WIDE | {
        "quantization": {"group_size": 32, "bits": 4, "model.layers.0.mlp.gate": ROUTER, "model.layers.1.mlp.gate": ROUTER},
    },
    "qwen3-moe-mxfp4": QWEN3 | WIDE | {
        "quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4", "model.layers.0.mlp.gate": ROUTER, "model.layers.1.mlp.gate": ROUTER, "model.embed_tokens": False},
    },
    "qwen3-moe-nvfp4": QWEN3 | WIDE | {
        "quantization": {"group_size": 16, "bits": 4, "mode": "nvfp4", "model.layers.0.mlp.gate": ROUTER, "model.layers.1.mlp.gate": ROUTER, "model.embed_tokens": False},
    },
    "mixtral": MIXTRAL,
    "mixtral-sliding": MIXTRAL | {"sliding_window": 16, "head_dim": 24, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "olmoe": OLMOE,
    "olmoe-clipped": OLMOE | {"clip_qkv": 0.9, "norm_topk_prob": True, "num_key_value_heads": 4, "attention_bias": True},
}
# no windows and no biases of attention in mlx-lm's Qwen3, no head_dim and no window in its Mixtral, no clip_qkv in its OLMoE
JUDGE = {"qwen3-moe-biases-sliding": "transformers", "mixtral-sliding": "transformers", "olmoe-clipped": "transformers"}
MIXTRAL_NAMES = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}


def drawn(name, module, key, config):
    if ".gate." in name and "switch" not in name and key == "weight":
        return 0.0, 0.6  # the experts differ in weight
    return None


def adapt(model, config):
    import mlx.nn as nn

    for layer in model.layers:
        attention = layer.self_attn
        if config["model_type"] == "mixtral" and "head_dim" in config:
            d, heads, kv = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
            attention.q_proj = nn.Linear(d, heads * config["head_dim"], bias=False)
            attention.k_proj = nn.Linear(d, kv * config["head_dim"], bias=False)
            attention.v_proj = nn.Linear(d, kv * config["head_dim"], bias=False)
            attention.o_proj = nn.Linear(heads * config["head_dim"], d, bias=False)
        if config["model_type"] == "qwen3_moe" and config.get("attention_bias"):
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
                linear.bias = linear.weight[:, 0]


def rename(name, shape, config):
    if ".switch_mlp." not in name or len(shape) != 3:
        return name
    path, _, rest = name.partition(".switch_mlp.")
    matrix, _, key = rest.partition(".")
    if config["model_type"] == "mixtral":
        matrix = MIXTRAL_NAMES[matrix]
    return each_expert(f"{path}.experts.{{}}.{matrix}.{key}", shape)
