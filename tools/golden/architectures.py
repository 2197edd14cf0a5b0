#!/usr/bin/env python3
"""Record logits of tiny random models of every architecture and option with mlx-lm.

    python architectures.py OUTPUT_DIR [NAME ...]

A case is a config.json and a rule for the weights, so that no weights need to be kept:
element i of the tensor NAME is drawn by splitmix64, seeded with FNV-1a of NAME. The
file lists name, type, shape, center and amplitude of each tensor: a floating element is
center + amplitude·u with u in [-1, 1), rounded to the type; a uint32 word is the
generator's high half & amplitude; a uint8 is center + (bits mod amplitude).

Each case (docs/golden.md) holds, for ids of length 1, 7 and 60, logits and the L2 norm
of every layer's output, and a greedy continuation with mlx-lm's own cache. All is
computed in float32: 16-bit tensors are widened. Cases of bfloat16 weights also hold the
logits of mlx-lm in bfloat16.

Where mlx-lm ignores a window that a config states (Mistral, Qwen2, Qwen3, Phi-3,
Gemma 2), its own layers are called with that window's mask. What mlx-lm has no key for is
set in its modules: GPT-2's hidden size, activation and scale of attention; GPT-NeoX's
hidden size, activation (mlx-lm takes tanh GELU for all), rope scaling, attention without
biases and tied head.

GPT-NeoX's numbers are those of transformers (torch, CPU, float32, eager attention), which
reads the same weights under Hugging Face's names; mlx-lm must give them to 1e-5 of the
largest logit. Of the packed model they are mlx-lm's, and transformers has its weights
unpacked.
"""

import gzip
import json
import pathlib
import sys
import tempfile

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.models.rope_utils import initialize_rope
from mlx_lm.utils import _get_classes

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
    "mistral-sliding": [16] * 3, "qwen2-untied-sliding": [0, 16, 16], "phi3-sliding": [16] * 3, "gemma2-sliding": [16, 0, 16, 0],
}

# Center and amplitude in GPT-NeoX's first MLP. About -2.2 the two GELUs differ by some
# percent of what they give, elsewhere by hundredths of one.
NEOX_GELU = {
    "model.h.0.mlp.dense_h_to_4h.weight": (0.0, 0.15), "model.h.0.mlp.dense_h_to_4h.bias": (-2.2, 0.3),
    "model.h.0.mlp.dense_4h_to_h.weight": (0.0, 0.5),
}

MASK64 = (1 << 64) - 1


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK64
    return h


def bits(name, n):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def drawn(name, dtype, shape, center, amplitude):
    z = bits(name, int(np.prod(shape)))
    if dtype == "uint32":
        return mx.array(((z >> np.uint64(32)) & np.uint64(amplitude)).astype(np.uint32).reshape(shape))
    if dtype == "uint8":
        return mx.array((np.uint64(center) + (z >> np.uint64(40)) % np.uint64(amplitude)).astype(np.uint8).reshape(shape))
    u = (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1
    x = mx.array((center + amplitude * u).astype(np.float32).reshape(shape))
    return x.astype(getattr(mx, dtype)).astype(mx.float32)


def scale_of(module, key, config):
    """Center and amplitude of a quantized module's tensor."""
    size = 0.12 / 2 ** (module.bits - 1)
    if module.mode == "affine":
        return {"weight": (0, 0xFFFFFFFF), "scales": (size, 0.3 * size), "biases": (-0.12, 0.03)}[key]
    if key == "weight":  # fp8's NaNs have every exponent bit set
        return (0, 0xBFBFBFBF if module.mode == "mxfp8" else 0xFFFFFFFF)
    return {"mxfp4": (121, 4), "mxfp8": (122, 3), "nvfp4": (0x10, 8)}[module.mode]


def tensors_of(model, config):
    """Name, type, shape, center and amplitude of each parameter."""
    modules = dict(model.named_modules())
    gemma = "gemma" in config["model_type"]
    half = config.get("dtype", "float32")
    out = []
    for name, value in tree_flatten(model.parameters()):
        path, key = name.rsplit(".", 1)
        module = modules[path]
        if hasattr(module, "bits"):
            if key in ("weight", "scales", "biases"):
                dtype = str(value.dtype).split(".")[-1]
                center, amplitude = scale_of(module, key, config)
                out.append([name, config.get("dtype", "float16") if dtype == "float32" else dtype, list(value.shape), center, amplitude])
                continue
        if name in NEOX_GELU:
            center, amplitude = NEOX_GELU[name]
        elif value.ndim == 1 and key == "weight":
            center, amplitude = (0.0, 0.3) if gemma else (1.0, 0.3)
        elif value.ndim == 1:
            center, amplitude = 0.0, 0.2
        elif "embed" in path or "wte" in path or "lm_head" in path:
            center, amplitude = 0.0, 0.5 if "embed" not in path or not gemma else 0.08
        elif "wpe" in path:
            center, amplitude = 0.0, 0.3
        else:
            center, amplitude = 0.0, round(2.2 / value.shape[-1] ** 0.5, 4)
        out.append([name, half, list(value.shape), center, amplitude])
    return out


def build(config):
    model_class, args_class = _get_classes(config)
    args = config
    if config["model_type"] == "gpt_neox":
        base, rotated, _ = neox_rope(config)
        args = config | {"rotary_emb_base": base, "rotary_pct": rotated}
    model = model_class(args_class.from_dict(args))
    if config["model_type"] == "gpt2":
        adapt_gpt2(model, config)
    if config["model_type"] == "gpt_neox":
        adapt_gpt_neox(model, config)
    if config["model_type"].startswith("gemma3") and config.get("tie_word_embeddings", True):
        inner = getattr(model, "language_model", model)
        inner.sanitize({})
    if q := config.get("quantization"):

        def predicate(path, module):
            own = q.get(path)
            if own is None:
                return hasattr(module, "to_quantized")
            return own

        nn.quantize(model, q["group_size"], q["bits"], mode=q.get("mode", "affine"), class_predicate=predicate)
    return model


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


def neox_name(name):
    """The name that Hugging Face's checkpoints have for mlx-lm's."""
    if name.startswith("model.embed_out."):
        return name.removeprefix("model.")
    return name.replace("model.h.", "gpt_neox.layers.").replace("model.", "gpt_neox.")


class Transformers:
    """transformers' model of a config, with the weights of mlx-lm's."""

    def __init__(self, config, model):
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        modules, weights = dict(model.named_modules()), {}
        for name, value in tree_flatten(model.parameters()):
            path, key = name.rsplit(".", 1)
            module = modules[path]
            if hasattr(module, "bits") and key in ("scales", "biases"):
                continue
            if hasattr(module, "bits") and key == "weight":
                value = mx.dequantize(value, module.scales, module.biases, module.group_size, module.bits, mode=module.mode)
            weights[neox_name(name)] = value
        plain = {k: v for k, v in config.items() if k != "quantization"}
        with tempfile.TemporaryDirectory() as folder:
            mx.save_safetensors(f"{folder}/model.safetensors", weights, metadata={"format": "pt"})
            pathlib.Path(folder, "config.json").write_text(json.dumps(plain | {"architectures": ["GPTNeoXForCausalLM"]}))
            self.model, info = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
            )
        if wrong := {k: v for k, v in info.items() if v}:
            raise RuntimeError(f"transformers did not take the weights: {wrong}")
        self.model.eval()

    def forward(self, ids):
        """Logits [pos, vocab], and the output of each layer, as mlx arrays."""
        import torch

        seen = []
        hooks = [layer.register_forward_hook(lambda _, __, out: seen.append(out)) for layer in self.model.gpt_neox.layers]
        with torch.no_grad():
            logits = self.model(torch.tensor([ids]), use_cache=False).logits
        for h in hooks:
            h.remove()
        return mx.array(logits[0].numpy()), [mx.array(x[0].numpy()) for x in seen]


def agreed(name, ours, theirs):
    """The difference as a part of the largest logit, which must not be above 1e-5."""
    apart = mx.max(mx.abs(ours - theirs)).item() / mx.max(mx.abs(theirs)).item()
    if not apart <= 1e-5:
        raise RuntimeError(f"{name}: mlx-lm and transformers are {apart:.2g} of the largest logit apart")
    return apart


def filled(model, tensors, dtype=mx.float32):
    def of(t):
        x = drawn(*t)
        return x.astype(dtype) if mx.issubdtype(x.dtype, mx.floating) else x

    model.update(tree_unflatten([(t[0], of(t)) for t in tensors]))
    mx.eval(model.parameters())
    return model


def forward(model, ids, windows, cache=None):
    """Logits [pos, vocab], and the output of each layer."""
    seen = []
    cls = type(model.layers[0])
    plain = cls.__call__

    def spy(self, x, mask=None, cache=None):
        if windows and mask is not None:
            mask = create_causal_mask(x.shape[1], window_size=windows[len(seen)] or None)
        out = plain(self, x, mask, cache)
        seen.append(out)
        return out

    cls.__call__ = spy
    try:
        logits = model(mx.array([ids]), cache=cache)
        mx.eval(logits, seen)
    finally:
        cls.__call__ = plain
    return logits[0], [s[0] for s in seen]


def digits(x, n=7):
    return float(f"{x:.{n}g}")


def rows(logits, at):
    values = np.array(logits.astype(mx.float32), np.float64)
    return [[digits(x) for x in values[p]] for p in at]


def prompt(name, n):
    return [int(b) for b in bits(f"ids of {name}", n) % np.uint64(VOCAB)]


def greedy(model, name, windows):
    """24 tokens with mlx-lm's cache, or, where it ignores the window, without one."""
    ids, new, gaps = prompt(name, 20), [], []
    cache = None if windows else make_prompt_cache(model)
    feed = ids
    for _ in range(24):
        logits = forward(model, feed, windows, cache)[0][-1]
        values = np.array(logits.astype(mx.float32), np.float64)
        order = np.argsort(-values, kind="stable")
        new.append(int(order[0]))
        gaps.append(digits(values[order[0]] - values[order[1]], 4))
        feed = ids + new if windows else new[-1:]
    return {"ids": ids, "new_ids": new, "smallest_gap": min(gaps)}


def record(name, config):
    model = build(config)
    tensors = tensors_of(model, config)
    filled(model, tensors)
    windows = WINDOWS.get(name)
    judge = Transformers(config, model) if config["model_type"] == "gpt_neox" else None
    runs, apart = [], 0.0
    for n in (1, 7, 60):
        ids = prompt(name, n)
        at = list(range(n)) if n < 60 else [0, 15, 16, 17, 31, 32, 47, 59]
        logits, layers = forward(model, ids, windows)
        if judge:
            theirs = judge.forward(ids)
            apart = max(apart, agreed(name, logits, theirs[0]))
            if "quantization" not in config:
                logits, layers = theirs
        norms = [[digits(x) for x in np.linalg.norm(np.array(h.astype(mx.float32), np.float64), axis=-1)] for h in layers]
        runs.append({"ids": ids, "positions": at, "logits": rows(logits, at), "norms": norms})
    case = {
        "schema": "mlxlens-golden/architecture/1", "name": name, "config": config, "tensors": tensors, "runs": runs,
        "greedy": greedy(model, name, windows),
    }
    if judge:
        ids, new = case["greedy"]["ids"], case["greedy"]["new_ids"]
        if mx.argmax(judge.forward(ids + new[:-1])[0][len(ids) - 1 :], axis=-1).tolist() != new:
            raise RuntimeError(f"{name}: transformers continues otherwise")
        print(f"{name}: mlx-lm and transformers are {apart:.1e} of the largest logit apart")
    if config.get("dtype") == "bfloat16":
        filled(model, tensors, mx.bfloat16)
        ids = prompt(name, 7)
        case["bfloat16"] = {"ids": ids, "positions": list(range(7)), "logits": rows(forward(model, ids, windows)[0], range(7))}
    return case


def main():
    mx.set_default_device(mx.cpu)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or CASES:
        case = record(name, CASES[name])
        top = max(abs(x) for run in case["runs"] for row in run["logits"] for x in row)
        with gzip.GzipFile(out / f"{name}.json.gz", "wb", mtime=0) as f:
            f.write(json.dumps(case, separators=(",", ":")).encode())
        print(f"{name}: largest logit {top:.3g}, smallest gap {case['greedy']['smallest_gap']}")


if __name__ == "__main__":
    main()
