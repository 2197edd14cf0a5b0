"""StableLM. mlx-lm has no key for hidden_act, rope scaling and a tied head, and no defaults: they are set in its modules."""

from stand_ins import ACTS, rope, rope_of


def stablelm(**keys):
    return {
        "model_type": "stablelm", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "layer_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "silu",
        "rope_theta": 10000.0, "partial_rotary_factor": 0.25, "use_qkv_bias": False, "tie_word_embeddings": False,
    } | keys


CASES = {
    "stablelm": stablelm(use_qkv_bias=True),
    "stablelm-parallel-qk-layernorm": stablelm(use_parallel_residual=True, qk_layernorm=True, partial_rotary_factor=0.5),
    "stablelm-tied-gelu-linear": {
        k: v for k, v in stablelm(
            num_attention_heads=2, qk_layernorm=True, hidden_act="gelu", layer_norm_eps=1e-3, tie_word_embeddings=True,
            rope_scaling={"rope_type": "linear", "factor": 4.0},
        ).items() if k not in ("rope_theta", "partial_rotary_factor")
    },
    "stablelm-4bit": stablelm(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, use_parallel_residual=True, qk_layernorm=True,
        quantization={"group_size": 64, "bits": 4, "model.layers.1.mlp.down_proj": {"group_size": 32, "bits": 8}},
    ),
}


def mlx_config(config):
    """What mlx-lm has no default for."""
    return {"rope_theta": 10000.0, "partial_rotary_factor": 0.25} | config


def adapt(model, config):
    head = config["hidden_size"] // config["num_attention_heads"]
    for layer in model.layers:
        layer.self_attn.rope = rope(config, head, *rope_of(config, 10000.0, 0.25))
        if config["hidden_act"] != "silu":
            mlp = type(layer.mlp)

            class Gated(mlp):
                def __call__(self, x):
                    return self.down_proj(ACTS[config["hidden_act"]](self.gate_proj(x)) * self.up_proj(x))

            layer.mlp = Gated(config["hidden_size"], config["intermediate_size"])
    if config["tie_word_embeddings"]:
        embedding = model.model.embed_tokens
        model.pop("lm_head")
        model.lm_head = lambda x: embedding.as_linear(x)


def extra(_config):
    return {"model.layers.0.self_attn.rotary_emb.inv_freq": ("float32", [4])}
