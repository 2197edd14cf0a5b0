#!/usr/bin/env python3
"""Record logits of tiny random models of every architecture and option with mlx-lm.

    python architectures.py OUTPUT_DIR [NAME ...]
    python architectures.py OUTPUT_DIR --cuda

The cases are those of architecture_cases.py, recorded here, and those of families/*.py, which
families/__init__.py records.

A case is a config.json and a rule for the weights, so that no weights need to be kept:
element i of the tensor NAME is drawn by splitmix64, seeded with FNV-1a of NAME. The
file lists name, type, shape, center and amplitude of each tensor: a floating element is
center + amplitude·u with u in [-1, 1), rounded to the type; a uint32 word is the
generator's high half & amplitude; a uint8 is center + (bits mod amplitude).

Each case (docs/golden.md) holds, for ids of length 1, 7 and 60, logits and the L2 norm
of every layer's output, and a greedy continuation with mlx-lm's own cache. All is
computed in float32: 16-bit tensors are widened. Cases of bfloat16 weights also hold the
logits of mlx-lm in bfloat16, on a CPU, and what --cuda adds to them: those of mlx-lm on an Nvidia
GPU, which adds up in another order, so that each number is rounded otherwise.

Where mlx-lm ignores a window that a config states (Mistral, Qwen2, Qwen3, Phi-3,
Gemma 2), its own layers are called with that window's mask. What mlx-lm has no key for is
set in its modules: GPT-2's hidden size, activation and scale of attention; GPT-NeoX's
hidden size, activation (mlx-lm takes tanh GELU for all), rope scaling, attention without
biases and tied head.

Longrope and Gemma 3 with a d_model whose root bfloat16 does not hold are recorded with
transformers alone, where mlx-lm takes the long factors at every length, and the root in
bfloat16 for every type. The greedy continuation of longrope is that of passes over the whole
sequence, which Phi-3's own cache, made anew where the factors change, must give too.

GPT-NeoX's numbers are those of transformers (torch, CPU, float32, eager attention), which
reads the same weights under Hugging Face's names; mlx-lm must give them to 1e-5 of the
largest logit. Of the packed model they are mlx-lm's, and transformers has its weights
unpacked.
"""

import gzip
import json
import pathlib
import sys

import families
import mlx.core as mx
import mlx.nn as nn
import numpy as np
from adapted import adapt_gpt2, adapt_gpt_neox, neox_rope
from architecture_cases import CASES, NEOX_GELU, OTHERWISE, VOCAB, WINDOWS
from case import digits, norms, packed_rule, positions, prompt, rows, write
from drawn import drawn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models.base import create_causal_mask
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import _get_classes
from transformers_judge import Transformers, agreed


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
                center, amplitude = packed_rule(key, module.bits, module.mode)
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


def greedy(model, name, windows):
    """24 tokens with mlx-lm's cache, or, where it ignores the window, without one."""
    ids, new, gaps = prompt(name, 20, VOCAB), [], []
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


def greedy_of_whole(judge, name, config):
    """24 tokens, each of a pass over the whole sequence."""
    ids, new, gaps = prompt(name, 20, VOCAB), [], []
    for _ in range(24):
        values = np.array(judge.forward(ids + new)[0][-1], np.float64)
        order = np.argsort(-values, kind="stable")
        new.append(int(order[0]))
        gaps.append(digits(values[order[0]] - values[order[1]], 4))
    if config["model_type"] == "phi3" and judge.greedy(ids, 24) != new:
        raise RuntimeError(f"{name}: generate continues otherwise")
    return {"ids": ids, "new_ids": new, "smallest_gap": min(gaps)}


def record(name, config):
    model = build(config)
    tensors = tensors_of(model, config)
    filled(model, tensors)
    windows = WINDOWS.get(name)
    otherwise = OTHERWISE.get(name)
    judge = Transformers(config, model) if otherwise or config["model_type"] == "gpt_neox" else None
    runs, apart = [], 0.0
    for n in (1, 7, 60):
        ids = prompt(name, n, VOCAB)
        at = positions(n)
        logits, layers = forward(model, ids, windows)
        if judge:
            theirs = judge.forward(ids)
            if not otherwise or not otherwise(n):
                apart = max(apart, agreed(name, logits, theirs[0]))
            if otherwise or "quantization" not in config:
                logits, layers = theirs
        runs.append({"ids": ids, "positions": at, "logits": rows(logits, at), "norms": norms(layers)})
    case = {
        "schema": "mlxlens-golden/architecture/1", "name": name, "config": config, "tensors": tensors, "runs": runs,
        "greedy": greedy_of_whole(judge, name, config) if otherwise else greedy(model, name, windows),
    }
    if judge and not otherwise:
        ids, new = case["greedy"]["ids"], case["greedy"]["new_ids"]
        if mx.argmax(judge.forward(ids + new[:-1])[0][len(ids) - 1 :], axis=-1).tolist() != new:
            raise RuntimeError(f"{name}: transformers continues otherwise")
        print(f"{name}: mlx-lm and transformers are {apart:.1e} of the largest logit apart")
    if config.get("dtype") == "bfloat16":
        filled(model, tensors, mx.bfloat16)
        ids = prompt(name, 7, VOCAB)
        case["bfloat16"] = {"ids": ids, "positions": list(range(7)), "logits": rows(forward(model, ids, windows)[0], range(7))}
    return case


def add_cuda(out):
    mx.set_default_device(mx.gpu)
    for path in sorted(out.glob("bfloat16-*.json.gz")):
        case = json.loads(gzip.decompress(path.read_bytes()))
        run = case["bfloat16"]
        model = filled(build(case["config"]), case["tensors"], mx.bfloat16)
        logits = rows(forward(model, run["ids"], WINDOWS.get(case["name"]))[0], run["positions"])
        device = f"{mx.device_info()['device_name']}, MLX {mx.__version__}"
        case["bfloat16_cuda"] = run | {"logits": logits, "device": device}
        write(out, case)


def main():
    out = pathlib.Path(sys.argv[1])
    if sys.argv[2:] == ["--cuda"]:
        return add_cuda(out)
    mx.set_default_device(mx.cpu)
    out.mkdir(parents=True, exist_ok=True)
    of_families = families.cases()
    for name in sys.argv[2:] or [*CASES, *of_families]:
        write(out, record(name, CASES[name]) if name in CASES else families.record(of_families[name], name))


if __name__ == "__main__":
    main()
