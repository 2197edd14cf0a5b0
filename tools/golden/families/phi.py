"""Phi-1 to Phi-2. mlx-lm has no key for head_dim, qk_layernorm, hidden_act, rope scaling and a tied head, and takes 0.4 for a
missing partial_rotary_factor where transformers takes 0.5: all are set in its modules."""

import mlx.nn as nn
from mlx_lm.models.base import scaled_dot_product_attention
from mlx_lm.models.phi import PhiAttention

from stand_ins import MLP, BiasOfTied, rope, rope_of, where_gelus_differ


def phi(**keys):
    return {
        "model_type": "phi", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 96,
        "layer_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "gelu_new", "partial_rotary_factor": 0.4,
        "num_key_value_heads": 2, "tie_word_embeddings": False,
    } | keys


def without(*names, **keys):
    return {k: v for k, v in phi().items() if k not in names} | keys


CASES = {
    "phi": phi(),
    "phi-qk-layernorm-tied": without(
        "partial_rotary_factor", num_attention_heads=4, hidden_act="gelu", qk_layernorm=True, tie_word_embeddings=True
    ),
    "phi-head-dim-linear": without(
        "partial_rotary_factor", num_attention_heads=4, head_dim=24, layer_norm_eps=1e-3,
        rope_parameters={"rope_type": "linear", "rope_theta": 3000.0, "partial_rotary_factor": 0.25, "factor": 4.0},
    ),
    "phi-4bit": phi(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        quantization={"group_size": 64, "bits": 4, "model.layers.1.mlp.fc2": {"group_size": 32, "bits": 8}},
    ),
}
GELU = where_gelus_differ("model.layers.0.mlp.fc1", "model.layers.0.mlp.fc2")


def drawn(name, _module, _key, config):
    return None if "quantization" in config else GELU.get(name)


class Normed(PhiAttention):
    """PhiAttention with a norm on each head's queries and keys."""

    def __call__(self, x, mask=None, cache=None):
        q, k, v = (
            p(x).reshape(*x.shape[:2], n, -1)
            for p, n in ((self.q_proj, self.num_heads), (self.k_proj, self.num_key_value_heads), (self.v_proj, self.num_key_value_heads))
        )
        q, k, v = self.q_layernorm(q).moveaxis(1, 2), self.k_layernorm(k).moveaxis(1, 2), v.moveaxis(1, 2)
        at = cache.offset if cache is not None else 0
        q, k = self.rope(q, offset=at), self.rope(k, offset=at)
        if cache is not None:
            k, v = cache.update_and_fetch(k, v)
        out = scaled_dot_product_attention(q, k, v, cache=cache, scale=q.shape[-1] ** -0.5, mask=mask)
        return self.dense(out.moveaxis(2, 1).reshape(*x.shape[:2], -1))


def adapt(model, config):
    size, heads, kv = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim", size // heads)
    for layer in model.layers:
        attention = layer.self_attn
        if config.get("qk_layernorm"):
            attention = layer.self_attn = Normed(model.args)
            attention.q_layernorm = nn.LayerNorm(head, eps=config["layer_norm_eps"])
            attention.k_layernorm = nn.LayerNorm(head, eps=config["layer_norm_eps"])
        if "head_dim" in config:
            attention.q_proj, attention.dense = nn.Linear(size, heads * head), nn.Linear(heads * head, size)
            attention.k_proj, attention.v_proj = nn.Linear(size, kv * head), nn.Linear(size, kv * head)
        attention.rope = rope(config, head, *rope_of(config, 10000.0, 0.5))
        if config["hidden_act"] != "gelu_new":
            layer.mlp = MLP("fc1", "fc2", size, config["intermediate_size"], config["hidden_act"])
    if config["tie_word_embeddings"]:
        model.lm_head = BiasOfTied(model.model.embed_tokens, config["vocab_size"])


def extra(_config):
    return {"model.layers.0.self_attn.rotary_emb.inv_freq": ("float32", [4])}
