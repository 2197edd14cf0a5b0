"""GLM-4 (glm) and GLM-4-0414 (glm4). mlx-lm turns all of each head of glm, and has no key for rope scaling, no defaults for glm4 and
no tied head there: they are set in its modules."""

from layout import with_tied_head
from mlx_lm.models.rope_utils import initialize_rope

DEFAULTS = {"attention_bias": True, "partial_rotary_factor": 0.5, "rms_norm_eps": 1.5625e-7, "rope_theta": 10000.0}


def glm(kind, *without, **keys):
    config = {
        "model_type": kind, "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "head_dim": 24, "tie_word_embeddings": False,
    } | keys
    return {k: v for k, v in config.items() if k not in without}


def glm4(*without, **keys):
    return glm("glm4", *without, **{"attention_bias": True, "partial_rotary_factor": 0.5} | keys)


CASES = {
    "glm": glm("glm"),
    "glm-whole-rotary": glm("glm", rope_theta=3000.0, attention_bias=False, partial_rotary_factor=1.0, tie_word_embeddings=True),
    "glm4": glm4(),
    "glm4-no-bias-quarter-rotary": glm4(attention_bias=False, partial_rotary_factor=0.25, head_dim=16, rope_theta=3000.0),
    "glm4-defaults-tied-yarn": glm4(
        *DEFAULTS, tie_word_embeddings=True,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
    ),
    "glm4-4bit": glm4(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, head_dim=32, quantization={"group_size": 64, "bits": 4, "mode": "affine"}
    ),
}


def extra(config):
    """What files of glm have, and nobody reads."""
    if config["model_type"] == "glm4":
        return {}
    return {"model.layers.1.self_attn.rotary_emb.inv_freq": ("float32", (config["head_dim"] // 4,))}


def rename(name, shape, config):
    return with_tied_head(name, config["model_type"] == "glm" and config["tie_word_embeddings"])


def mlx_config(config):
    """What mlx-lm has no default for, or another, as transformers has it."""
    return DEFAULTS | config


def adapt(model, config):
    args = mlx_config(config)
    dims = int(config["head_dim"] * args["partial_rotary_factor"])
    for layer in model.layers:
        layer.self_attn.rope = initialize_rope(dims, args["rope_theta"], True, config.get("rope_scaling"), config["max_position_embeddings"])
    if config["model_type"] == "glm4" and config["tie_word_embeddings"]:

        class Tied(type(model)):
            def __call__(self, inputs, cache=None):
                return self.model.embed_tokens.as_linear(self.model(inputs, cache))

        model.pop("lm_head")
        model.__class__ = Tied
