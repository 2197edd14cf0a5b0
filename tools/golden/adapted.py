"""What mlx-lm's GPT-2 and GPT-NeoX have no key for, set in their modules."""

import mlx.nn as nn
from mlx_lm.models.rope_utils import initialize_rope


def adapt_gpt2(model, config):
    """What mlx-lm's GPT-2 has no key for."""
    acts = {"gelu_new": nn.gelu_approx, "gelu": nn.gelu, "relu": nn.relu, "silu": nn.silu}

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            inner = config.get("n_inner") or 4 * config["n_embd"]
            self.c_fc = nn.Linear(config["n_embd"], inner)
            self.c_proj = nn.Linear(inner, config["n_embd"])

        def __call__(self, x):
            return self.c_proj(acts[config["activation_function"]](self.c_fc(x)))

    for i, layer in enumerate(model.layers):
        layer.mlp = MLP()
        if not config.get("scale_attn_weights", True):
            layer.attn.scale = 1.0
        if config.get("scale_attn_by_inverse_layer_idx"):
            layer.attn.scale /= i + 1


def neox_rope(config):
    """Base, rotated part of a head, and scaling, where transformers finds them."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    base = scaling.get("rope_theta", config.get("rotary_emb_base", 10000))
    return base, scaling.get("partial_rotary_factor", config.get("rotary_pct", 0.25)), scaling


def adapt_gpt_neox(model, config):
    """What mlx-lm's GPT-NeoX has no key for; the rest is left as it is."""
    acts = {"gelu": nn.gelu, "relu": nn.relu}
    size, inner = config["hidden_size"], config["intermediate_size"]
    base, rotated, scaling = neox_rope(config)

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense_h_to_4h = nn.Linear(size, inner)
            self.dense_4h_to_h = nn.Linear(inner, size)

        def __call__(self, x):
            return self.dense_4h_to_h(acts[config["hidden_act"]](self.dense_h_to_4h(x)))

    for layer in model.layers:
        if config["hidden_act"] in acts:
            layer.mlp = MLP()
        if scaling:
            dims = int(size // config["num_attention_heads"] * rotated)
            layer.attention.rope = initialize_rope(dims, base, False, scaling, config["max_position_embeddings"])
        if not config.get("attention_bias", True):
            layer.attention.query_key_value = nn.Linear(size, 3 * size, bias=False)
            layer.attention.dense = nn.Linear(size, size, bias=False)
    if config["tie_word_embeddings"]:
        inner_model = model.model
        inner_model.pop("embed_out")
        inner_model.embed_out = lambda x: inner_model.embed_in.as_linear(x)
