"""The configs of the tiny random models that architectures.py records."""

VOCAB = 96
LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCAB, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}
GEMMA = {"num_hidden_layers": 4, "head_dim": 32, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "hidden_activation": "gelu_pytorch_tanh"}
WIDE = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}


def llama(**keys):
    return LLAMA | keys


def like_llama(kind, **keys):
    return LLAMA | {"model_type": kind} | keys


def gpt2(**keys):
    return {
        "model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 3, "n_positions": 128, "n_ctx": 128, "layer_norm_epsilon": 1e-5,
        "vocab_size": VOCAB, "activation_function": "gelu_new",
    } | keys


def neox(**keys):
    return {
        "model_type": "gpt_neox", "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 2,
        "vocab_size": VOCAB, "layer_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "gelu", "rotary_pct": 0.25,
        "rotary_emb_base": 10000, "use_parallel_residual": True, "tie_word_embeddings": False,
    } | keys


def neox_without(*names, **keys):
    return {k: v for k, v in neox().items() if k not in names} | keys


def quantized(bits, group, mode="affine", **keys):
    q = {"group_size": group, "bits": bits, "mode": mode}
    return llama(**WIDE) | {"quantization": q} | keys


def rope(**keys):
    return llama(rope_scaling=keys)


FACTORS = [1.0, 1.1, 1.3, 1.7, 2.2, 2.9, 3.7, 4.6]
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]

CASES = {
    "llama": llama(),
    "llama-untied-biases": llama(tie_word_embeddings=False, attention_bias=True, mlp_bias=True),
    "llama-every-head-its-own-keys": llama(num_key_value_heads=4),
    "llama-one-key-head": llama(num_key_value_heads=1),
    "llama-head-dim": llama(head_dim=24),
    "llama-traditional": llama(rope_traditional=True, rope_theta=500.0),
    "llama-rope-linear": rope(type="linear", factor=4.0),
    "llama-rope-dynamic": llama(rope_scaling={"type": "dynamic", "factor": 4.0}, max_position_embeddings=32),
    "llama-rope-llama3": rope(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
    ),
    "llama-rope-yarn": rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
    "llama-rope-yarn-scaled": rope(
        type="yarn", factor=8.0, original_max_position_embeddings=64, beta_fast=16, beta_slow=2, mscale=0.7, mscale_all_dim=0.3
    ),
    "llama-rope-longrope": rope(
        rope_type="longrope", original_max_position_embeddings=32, short_factor=[1.0] * 8, long_factor=FACTORS
    ),
    "llama-sliding": llama(layer_types=SLIDING, sliding_window=16),
    "mistral": like_llama("mistral", head_dim=32),
    "mistral-sliding": like_llama("mistral", sliding_window=16),
    "qwen2": like_llama("qwen2", rope_theta=1000000.0, use_sliding_window=False, sliding_window=16, max_window_layers=1),
    "qwen2-untied-sliding": like_llama(
        "qwen2", tie_word_embeddings=False, use_sliding_window=True, sliding_window=16, max_window_layers=1
    ),
    "qwen3": like_llama("qwen3", head_dim=32, use_sliding_window=False),
    "qwen3-untied": like_llama("qwen3", head_dim=16, tie_word_embeddings=False),
    "qwen3-rope-parameters": {k: v for k, v in like_llama("qwen3", head_dim=32).items() if k != "rope_theta"}
    | {"rope_parameters": {"rope_theta": 3000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}},
    "gemma2": like_llama("gemma2", **GEMMA, query_pre_attn_scalar=24, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma2-sliding": like_llama(
        "gemma2", **GEMMA, query_pre_attn_scalar=24, attn_logit_softcapping=5.0, final_logit_softcapping=3.0, sliding_window=16
    ),
    "gemma2-query-as-head": like_llama("gemma2", **GEMMA, query_pre_attn_scalar=32, sliding_window=16),
    "gemma3": like_llama(
        "gemma3_text", **GEMMA, query_pre_attn_scalar=24, sliding_window=16, sliding_window_pattern=3, rope_local_base_freq=300.0
    ),
    "gemma3-untied-linear": like_llama(
        "gemma3_text", **GEMMA, query_pre_attn_scalar=32, sliding_window=16, sliding_window_pattern=2,
        rope_scaling={"rope_type": "linear", "factor": 8.0}, tie_word_embeddings=False,
    ),
    "gemma3-multimodal": {
        "model_type": "gemma3", "vocab_size": VOCAB,
        "text_config": {
            "model_type": "gemma3_text", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 4, "head_dim": 32,
            "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 16, "sliding_window_pattern": 3,
        },
    },
    "phi3": like_llama("phi3", tie_word_embeddings=False),
    "phi3-longrope-partial": like_llama(
        "phi3", tie_word_embeddings=False, partial_rotary_factor=0.75, original_max_position_embeddings=32,
        rope_scaling={"type": "longrope", "short_factor": [1.0] * 6, "long_factor": FACTORS[:6]},
    ),
    "phi3-sliding": like_llama("phi3", tie_word_embeddings=False, sliding_window=16),
    "olmo2": like_llama("olmo2", tie_word_embeddings=False),
    "olmo2-biases": like_llama("olmo2", attention_bias=True, mlp_bias=True),
    "gpt2": gpt2(),
    "gpt2-inner-relu": gpt2(n_inner=96, activation_function="relu"),
    "gpt2-gelu-inverse-layer": gpt2(activation_function="gelu", scale_attn_by_inverse_layer_idx=True),
    "gpt2-silu-unscaled": gpt2(activation_function="silu", scale_attn_weights=False),
    "gpt-neox": neox(),
    "gpt-neox-sequential": neox(use_parallel_residual=False, layer_norm_eps=1e-4),
    "gpt-neox-whole-rotary": neox(rotary_pct=1.0, rotary_emb_base=3000, num_attention_heads=4),
    "gpt-neox-gelu-fast": neox_without("use_parallel_residual", hidden_act="gelu_fast"),
    "gpt-neox-gelu-new-sequential": neox(hidden_act="gelu_new", use_parallel_residual=False),
    "gpt-neox-inner-relu": neox(intermediate_size=96, hidden_act="relu"),
    "gpt-neox-tied": neox(tie_word_embeddings=True),
    "gpt-neox-no-attention-bias": neox(attention_bias=False),
    "gpt-neox-rope-linear": neox(rotary_pct=0.5, rope_scaling={"type": "linear", "factor": 4.0}),
    "gpt-neox-rope-parameters": neox_without(
        "rotary_pct", "rotary_emb_base",
        rope_parameters={"rope_type": "linear", "rope_theta": 3000.0, "partial_rotary_factor": 0.5, "factor": 2.0},
    ),
    "gpt-neox-rope-defaults": neox_without("rotary_pct", "rotary_emb_base"),
    "gpt-neox-rope-yarn": neox(
        rotary_pct=0.5, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    ),
    "gpt-neox-4bit": neox(
        hidden_size=128, intermediate_size=512, num_hidden_layers=2, quantization={"group_size": 64, "bits": 4, "mode": "affine"}
    ),
    "mixed": quantized(4, 64) | {
        "quantization": {
            "group_size": 64, "bits": 4,
            "model.layers.0.self_attn.v_proj": {"group_size": 32, "bits": 8},
            "model.layers.1.mlp.down_proj": {"group_size": 32, "bits": 4, "mode": "mxfp4"},
            "model.layers.1.self_attn.o_proj": False, "lm_head": {"group_size": 64, "bits": 6},
        },
        "tie_word_embeddings": False,
    },
    "qwen2-4bit": like_llama("qwen2", **WIDE, quantization={"group_size": 64, "bits": 4}),
    "gemma3-4bit": like_llama(
        "gemma3_text", **GEMMA | WIDE, query_pre_attn_scalar=24, sliding_window=16, sliding_window_pattern=2,
        quantization={"group_size": 64, "bits": 4},
    ),
    "gpt2-8bit": gpt2(quantization={"group_size": 64, "bits": 8}),
    "mxfp4": quantized(4, 32, "mxfp4"),
    "mxfp8": quantized(8, 32, "mxfp8"),
    "nvfp4": quantized(4, 16, "nvfp4"),
} | {f"affine-{b}bit-group{g}": quantized(b, g) for b in (2, 3, 4, 5, 6, 8) for g in (32, 64, 128)}
CASES |= {"bfloat16-" + name: CASES[name] | {"dtype": "bfloat16"} for name in ("llama", "gemma3", "affine-4bit-group64")}

# Windows that mlx-lm ignores, by layer.
WINDOWS = {
    "mistral-sliding": [16] * 3, "qwen2-untied-sliding": [0, 16, 16], "phi3-sliding": [16] * 3, "gemma2-sliding": [16, 0, 16, 0], "gemma2-query-as-head": [16, 0, 16, 0],
}

# Center and amplitude in GPT-NeoX's first MLP. About -2.2 the two GELUs differ by some
# percent of what they give, elsewhere by hundredths of one.
NEOX_GELU = {
    "model.h.0.mlp.dense_h_to_4h.weight": (0.0, 0.15), "model.h.0.mlp.dense_h_to_4h.bias": (-2.2, 0.3),
    "model.h.0.mlp.dense_4h_to_h.weight": (0.0, 0.5),
}

# Where mlx-lm computes something else than the authors' code: for prompts of which lengths.
OTHERWISE = {
    "llama-rope-longrope": lambda n: n <= 32, "phi3-longrope-partial": lambda n: n <= 32, "gemma3-4bit": lambda n: True,
}
