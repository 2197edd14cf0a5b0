#!/usr/bin/env python3
"""Time mlx-lm, or mlxterp's lens, on a model directory, for docs/performance.md.

    python peers.py MODEL_DIR [--dense] [--lens]

The ids are those of mlxlens' own benchmarks (make bench). The scales of packed weights
are widened to float32 first: on a CPU mlx-lm takes 40 times as long with float16 ones.
--dense unpacks the weights once, as mlxlens does on a CPU. With an OpenBLAS in
LD_PRELOAD mlx-lm's products go through it too. --lens times mlxterp's logit_lens, all
layers and positions, top 10: of 64 tokens that takes five minutes with packed weights.
"""

import argparse
import pathlib
import resource
import time

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model

from record import widened


def dequantized(model):
    """The model with dense layers in place of packed ones."""
    dense = []
    for name, m in model.named_modules():
        if isinstance(m, (nn.QuantizedLinear, nn.QuantizedEmbedding)):
            w = mx.dequantize(m.weight, m.scales, m.biases, m.group_size, m.bits)
            if isinstance(m, nn.QuantizedEmbedding):
                new = nn.Embedding(*w.shape)
            else:
                new = nn.Linear(w.shape[1], w.shape[0], bias="bias" in m)
                if "bias" in m:
                    new.bias = m.bias
            new.weight = w
            dense.append((name, new))
    model.update_modules(tree_unflatten(dense))
    mx.eval(model.parameters())
    return model


def best_of(n, f):
    return min(f() for _ in range(n))


def timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def time_mlxterp(path, dense):
    from mlx_lm import load
    from mlxterp import InterpretableModel

    model, tokenizer = load(path)
    model = widened(model)
    model = InterpretableModel(dequantized(model) if dense else model, tokenizer=tokenizer)
    for times in (1, 8):
        text = " ".join(["The quick brown fox jumps over the lazy"] * times)
        n = len(tokenizer.encode(text))
        print(f"mlxterp {'dense' if dense else 'packed'}: logit_lens, {n} tokens: {timed(lambda: model.logit_lens(text, top_k=10)):.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--lens", action="store_true")
    args = parser.parse_args()
    mx.set_default_device(mx.cpu)

    def load():
        model = widened(load_model(args.model)[0])
        return dequantized(model) if args.dense else model

    if args.lens:
        return time_mlxterp(args.model, args.dense)
    kind = "dense" if args.dense else "packed"
    seconds = timed(lambda: mx.eval([p for _, p in tree_flatten(load().parameters())]))
    print(f"mlx-lm {kind}: load {seconds:.2f} s, tokenizer not included")
    model = load()
    for n in (8, 64):
        ids = mx.array([[1000 + 37 * i for i in range(n)]])
        print(f"mlx-lm {kind}: forward, {n} tokens: {best_of(3, lambda: timed(lambda: mx.eval(model(ids)))):.3f} s")
    ids = mx.array([1000 + 37 * i for i in range(256)])
    start, first, count = time.perf_counter(), None, 0
    for _ in generate_step(ids, model, max_tokens=32):
        count += 1
        first = first or time.perf_counter()
    end = time.perf_counter()
    print(f"mlx-lm {kind}: prompt {len(ids) / (first - start):.1f} tokens/s, generated {(count - 1) / (end - first):.1f} tokens/s")
    print(f"mlx-lm {kind}: peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
