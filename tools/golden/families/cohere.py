"""Command R (cohere) and Command R7B (cohere2). mlx-lm has no key for an untied head, rope scaling and a head_dim of its own, takes
8,000,000 and 50,000 for a missing rope_theta where transformers takes 500,000 and 10,000, and does not read cohere2's layer_types:
all are set in its modules."""

import mlx.nn as nn
from mlx_lm.models.base import create_attention_mask
from mlx_lm.models.cache import KVCache, RotatingKVCache
from mlx_lm.models.rope_utils import initialize_rope


def parallel(kind, *without, **keys):
    config = {
        "model_type": kind, "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 256, "layer_norm_eps": 1e-5, "logit_scale": 0.4,
        "rope_theta": 10000.0,
    } | keys
    return {k: v for k, v in config.items() if k not in without}


def cohere2(*without, **keys):
    return parallel(
        "cohere2", *without,
        **{"rope_theta": 5000.0, "head_dim": 16, "sliding_window": 16, "sliding_window_pattern": 4, "num_hidden_layers": 4} | keys,
    )


CASES = {
    "cohere": parallel("cohere"),
    "cohere-qk-norm-biases": parallel("cohere", use_qk_norm=True, attention_bias=True),
    "cohere-defaults-untied-yarn": parallel(
        "cohere", "logit_scale", "rope_theta", "layer_norm_eps", "num_key_value_heads", tie_word_embeddings=False, head_dim=24,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
    ),
    "cohere2": cohere2(),
    "cohere2-layer-types": cohere2(
        "sliding_window_pattern", "rope_theta", head_dim=24, attention_bias=True,
        layer_types=["full_attention", "sliding_attention", "full_attention", "sliding_attention"],
    ),
    "cohere2-4bit": cohere2(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, head_dim=32, sliding_window_pattern=2, logit_scale=1.5,
        quantization={"group_size": 64, "bits": 4, "mode": "affine"},
    ),
}


def drawn(name, module, key, config):
    return (1.0, 0.3) if "q_norm" in name or "k_norm" in name else None  # a gain for each number of each head


def mlx_config(config):
    """mlx-lm refuses a head_dim of cohere2's own, and takes other defaults."""
    theta = {"cohere": 500000.0, "cohere2": 10000.0}[config["model_type"]]
    own = {"head_dim": config["hidden_size"] // config["num_attention_heads"]}
    return {"rope_theta": theta, "num_key_value_heads": config["num_attention_heads"]} | config | own


def adapt(model, config):
    args = mlx_config(config)
    size, heads, kv = config["hidden_size"], config["num_attention_heads"], args["num_key_value_heads"]
    head = config.get("head_dim", size // heads)
    for layer in model.layers:
        attention = layer.self_attn
        if head * heads != size:
            bias = config.get("attention_bias", False)
            attention.q_proj, attention.o_proj = nn.Linear(size, heads * head, bias), nn.Linear(heads * head, size, bias)
            attention.k_proj, attention.v_proj = nn.Linear(size, kv * head, bias), nn.Linear(size, kv * head, bias)
            attention.scale, attention.head_dim = head**-0.5, head
        attention.rope = initialize_rope(head, args["rope_theta"], True, config.get("rope_scaling"), config["max_position_embeddings"])
    if "layer_types" in config:
        slide_by_type(model, config)
    if not config.get("tie_word_embeddings", True):

        class Untied(type(model)):
            def __call__(self, inputs, cache=None):
                return self.lm_head(self.model(inputs, cache)) * self.args.logit_scale

        model.lm_head = nn.Linear(size, config["vocab_size"], False)
        model.__class__ = Untied


def slide_by_type(model, config):
    window, slides = config["sliding_window"], [kind == "sliding_attention" for kind in config["layer_types"]]
    for layer, slide in zip(model.layers, slides):
        layer.self_attn.use_sliding_window = slide

    class Layers(type(model.model)):
        def __call__(self, inputs, cache=None):
            h = self.embed_tokens(inputs)
            cache = cache or [None] * len(slides)
            masks = {s: create_attention_mask(h, cache[slides.index(s)], window_size=window if s else None) for s in set(slides)}
            for layer, s, c in zip(self.layers, slides, cache):
                h = layer(h, masks[s], c)
            return self.norm(h)

    class Model(type(model)):
        def make_cache(self):
            return [RotatingKVCache(max_size=window) if s else KVCache() for s in slides]

    model.model.__class__, model.__class__ = Layers, Model
