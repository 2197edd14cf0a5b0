#!/usr/bin/env python3
"""Record the logit lens of a model directory with mlx-lm, or check a recorded file.

    python record.py MODEL_DIR --prompt "The capital of France is" > case.json
    python record.py MODEL_DIR --ids 30,7,500 --top 5 > case.json
    python record.py MODEL_DIR --check case.json.gz

The model is a Llama in the Hugging Face layout. Everything is computed in float32:
packed weights stay packed, their scales and biases are widened. Each block of
mlx-lm's model is called in turn; its output goes through the model's own norm and
head. The fields are those of schema mlxlens-golden/lens/1 (docs/golden.md).
"""

import argparse
import gzip
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from mlx_lm.models.base import create_attention_mask
from mlx_lm.utils import load_model


def widened(model):
    """The model with every floating parameter in float32."""
    model.update(tree_map(lambda p: p.astype(mx.float32) if mx.issubdtype(p.dtype, mx.floating) else p, model.parameters()))
    return model


def head(model, h):
    inner = model.model
    if model.args.tie_word_embeddings:
        return inner.embed_tokens.as_linear(inner.norm(h))
    return model.lm_head(inner.norm(h))


def states(model, ids):
    """The embedding and each block's output, [pos, d_model] float64."""
    inner = model.model
    h = inner.embed_tokens(mx.array([ids]))
    out = [h]
    mask = create_attention_mask(h, None)
    for layer in inner.layers:
        h = layer(h, mask, cache=None)
        out.append(h)
    mx.eval(out)
    return out


def best(logits, k):
    """Ids and logits of the k best, score descending then id ascending, and the next logit."""
    order = np.lexsort((np.arange(len(logits)), -logits))
    return order[:k].tolist(), [digits(logits[i]) for i in order[:k]], digits(logits[order[k]])


def digits(x):
    return float(f"{x:.8g}")


def record(model, ids, k):
    hs = states(model, ids)
    rows = [np.array(head(model, h)[0].astype(mx.float32), np.float64) for h in hs[1:]]
    own = np.array(model(mx.array([ids]))[0].astype(mx.float32), np.float64)

    def log_softmax(x):
        m = x.max(-1, keepdims=True)
        lse = m + np.log(np.exp(x - m).sum(-1, keepdims=True))
        return x - lse, lse[:, 0]

    final_logp, _ = log_softmax(rows[-1])
    lens = {name: [] for name in ("ids", "logits", "next", "lse", "entropy", "kl_final", "resid_norm")}
    for h, logits in zip(hs[1:], rows):
        logp, lse = log_softmax(logits)
        tops = [best(row, k) for row in logits]
        lens["ids"].append([t[0] for t in tops])
        lens["logits"].append([t[1] for t in tops])
        lens["next"].append([t[2] for t in tops])
        lens["lse"].append([digits(x) for x in lse])
        lens["entropy"].append([digits(x) for x in -(np.exp(logp) * logp).sum(-1)])
        lens["kl_final"].append([digits(x) for x in (np.exp(final_logp) * (final_logp - logp)).sum(-1)])
        lens["resid_norm"].append(norms(h))
    tops = [best(row, k) for row in own]
    final = {"ids": [t[0] for t in tops], "logits": [t[1] for t in tops], "next": [t[2] for t in tops]}
    return {"ids": ids, "embed_norm": norms(hs[0]), "lens": lens, "final": final}


def norms(h):
    return [digits(x) for x in np.linalg.norm(np.array(h[0].astype(mx.float32), np.float64), axis=-1)]


def largest_difference(got, want):
    """The largest difference of a number; ids must be equal where logits are not tied."""
    worst = 0.0
    for name in ("logits", "lse", "entropy", "kl_final", "resid_norm"):
        a, b = np.array(got["lens"][name]), np.array(want["lens"][name])
        scale = np.maximum(1, np.abs(b)) if name == "resid_norm" else 1
        worst = max(worst, float(np.abs((a - b) / scale).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt")
    what.add_argument("--ids", help="comma-separated")
    what.add_argument("--check", type=pathlib.Path, help="a recorded file, plain or .gz")
    parser.add_argument("--top", type=int, default=10)
    args = parser.parse_args()

    mx.set_default_device(mx.cpu)
    model = widened(load_model(args.model)[0])
    if args.check:
        with (gzip.open if args.check.suffix == ".gz" else open)(args.check, "rt") as f:
            file = json.load(f)
        for want in file.get("prompts", [file]):
            worst = largest_difference(record(model, want["ids"], file["top_k"]), want)
            print(f"{args.check.name}: {len(want['ids'])} ids, largest difference {worst:.2g}")
            if worst > 1e-3:
                sys.exit("the recorded numbers are not what mlx-lm gives")
        return
    if args.ids:
        ids = [int(x) for x in args.ids.split(",")]
    else:
        from transformers import AutoTokenizer

        ids = AutoTokenizer.from_pretrained(args.model).encode(args.prompt)
    case = {"schema": "mlxlens-golden/lens/1", "model": args.model.name, "prompt_name": "recorded", "top_k": args.top}
    if args.prompt:
        case["prompt"] = args.prompt
    json.dump(case | record(model, ids, args.top), sys.stdout)
    print()


if __name__ == "__main__":
    main()
