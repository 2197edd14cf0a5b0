"""Gemma (1)."""

import mlx.nn as nn
from mlx_lm.models.rope_utils import initialize_rope

GEMMA = {
    "model_type": "gemma", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 96, "rms_norm_eps": 1e-6, "max_position_embeddings": 256, "hidden_act": "gelu",
}

CASES = {
    "gemma": GEMMA | {"rope_theta": 10000.0},
    "gemma-untied-biases-linear": GEMMA | {
        "num_key_value_heads": 2, "head_dim": 16, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": False, "attention_bias": True,
        "rope_theta": 3000.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
    },
    "gemma-4bit": GEMMA | {
        "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_key_value_heads": 4, "quantization": {"group_size": 64, "bits": 4},
    },
}

# Center and amplitude in the first MLP. About -2.2 the two GELUs differ by some percent of what
# they give, elsewhere by hundredths of one.
GELU = {"model.layers.0.post_attention_layernorm.weight": (-0.2, 0.3), "model.layers.0.mlp.gate_proj.weight": (0.0, 0.35), "model.layers.0.mlp.down_proj.weight": (0.0, 0.5)}


def drawn(name, module, key, config):
    if name in GELU and "quantization" not in config:
        return GELU[name]
    if name == "model.embed_tokens.weight":
        return 0.0, 0.08
    if key == "weight" and "norm" in name:
        return 0.0, 0.3
    return None


def adapt(model, config):
    """mlx-lm computes the exact GELU, and has no key for a head of its own, biases, rope scaling."""

    class MLP(type(model.layers[0].mlp)):
        def __call__(self, x):
            return self.down_proj(nn.gelu_approx(self.gate_proj(x)) * self.up_proj(x))

    class Untied(type(model)):
        def __call__(self, inputs, cache=None):
            return self.lm_head(self.model(inputs, cache))

    for layer in model.layers:
        layer.mlp.__class__ = MLP
        attn = layer.self_attn
        if "rope_scaling" in config:
            attn.rope = initialize_rope(attn.head_dim, config["rope_theta"], False, config["rope_scaling"])
        if config.get("attention_bias"):
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                rows, columns = attn[name].weight.shape
                attn[name] = nn.Linear(columns, rows)
    if not config.get("tie_word_embeddings", True):
        model.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        model.__class__ = Untied
