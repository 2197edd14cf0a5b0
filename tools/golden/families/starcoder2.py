"""StarCoder2. mlx-lm takes the exact GELU whatever hidden_act says, and has no key for head_dim, use_bias and rope scaling: they
are set in its modules, as is the window, which it ignores."""

import mlx.nn as nn
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.starcoder2 import Starcoder2Model

from stand_ins import MLP, rope, rope_of, where_gelus_differ


def starcoder2(**keys):
    return {
        "model_type": "starcoder2", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "norm_epsilon": 1e-5, "max_position_embeddings": 256,
        "hidden_act": "gelu_pytorch_tanh", "rope_theta": 100000.0,
    } | keys


CASES = {
    "starcoder2": starcoder2(),
    "starcoder2-sliding-untied": starcoder2(sliding_window=16, hidden_act="gelu", tie_word_embeddings=False, norm_epsilon=1e-3),
    "starcoder2-no-bias-linear": {
        k: v for k, v in starcoder2(use_bias=False, head_dim=24, rope_scaling={"rope_type": "linear", "factor": 4.0}).items() if k != "rope_theta"
    },
    "starcoder2-4bit": starcoder2(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, sliding_window=16,
        quantization={"group_size": 64, "bits": 4, "model.layers.1.mlp.c_proj": {"group_size": 32, "bits": 8}},
    ),
}
GELU = where_gelus_differ("model.layers.0.mlp.c_fc", "model.layers.0.mlp.c_proj")


def drawn(name, _module, _key, config):
    return None if "quantization" in config else GELU.get(name)


class Windowed(Starcoder2Model):
    """Starcoder2Model in which each position sees the last so many."""

    def __call__(self, inputs, cache=None):
        h = self.embed_tokens(inputs)
        cache = cache or [None] * len(self.layers)
        mask = create_causal_mask(h.shape[1], cache[0].offset if cache[0] else 0, window_size=self.window)
        for layer, c in zip(self.layers, cache):
            h = layer(h, mask, c)
        return self.norm(h)


def adapt(model, config):
    if "sliding_window" in config:
        model.model = Windowed(model.args)
        model.model.window = config["sliding_window"]
    size, inner, bias = config["hidden_size"], config["intermediate_size"], config.get("use_bias", True)
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim", size // heads)
    for layer in model.layers:
        attention = layer.self_attn
        if "head_dim" in config or not bias:
            attention.q_proj, attention.o_proj = nn.Linear(size, heads * head, bias), nn.Linear(heads * head, size, bias)
            attention.k_proj, attention.v_proj = nn.Linear(size, kv * head, bias), nn.Linear(size, kv * head, bias)
            attention.scale = head**-0.5
        attention.rope = rope(config, head, *rope_of(config, 10000.0, 1.0))
        layer.mlp = MLP("c_fc", "c_proj", size, inner, config["hidden_act"], bias)


def extra(_config):
    return {"model.layers.0.self_attn.rotary_emb.inv_freq": ("float32", [4])}
