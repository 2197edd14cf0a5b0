"""Modules that stand in for mlx-lm's where it has no key for what a config says."""

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.rope_utils import initialize_rope

ACTS = {"gelu": nn.gelu, "gelu_new": nn.gelu_approx, "gelu_pytorch_tanh": nn.gelu_approx, "relu": nn.relu, "silu": nn.silu}


class MLP(nn.Module):
    """The MLP with one hidden layer, with an activation of the config's."""

    def __init__(self, up, down, size, inner, act, bias=True):
        super().__init__()
        self.names, self.act = (up, down), ACTS[act]
        self[up], self[down] = nn.Linear(size, inner, bias), nn.Linear(inner, size, bias)

    def __call__(self, x):
        return self[self.names[1]](self.act(self[self.names[0]](x)))


class BiasOfTied(nn.Module):
    """A head that is tied to the embedding and has a bias of its own."""

    def __init__(self, embedding, vocab):
        super().__init__()
        self.product = embedding.as_linear
        self.bias = mx.zeros(vocab)

    def __call__(self, x):
        return self.product(x) + self.bias


def rope_of(config, theta, part):
    """Base, turned part of a head, and scaling, where transformers finds them; its defaults are theta and part."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return (
        scaling.get("rope_theta", config.get("rope_theta", theta)),
        scaling.get("partial_rotary_factor", config.get("partial_rotary_factor", part)), scaling,
    )


def rope(config, head, theta, part, scaling):
    return initialize_rope(int(head * part), theta, False, scaling or None, config["max_position_embeddings"])


def where_gelus_differ(up, down):
    """Center and amplitude of an MLP's parameters, about which the exact and the tanh form of GELU differ by some percent of what
    they give; elsewhere by hundredths of one."""
    return {f"{up}.weight": (0.0, 0.15), f"{up}.bias": (-2.2, 0.3), f"{down}.weight": (0.0, 0.5)}
