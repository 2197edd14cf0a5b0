#!/usr/bin/env python3
"""Record in float64 how far the recorded 4-bit Llama is from itself with two matrices exchanged.

    python audit.py OUTPUT.json

The model is computed in numpy, in float64, from its unpacked weights; mlx unpacks them. The candidate
has the MLP's last matrix of layer 0 in layer 1, and that of layer 1 in layer 0. The numbers of the end
are those of llama.cpp's tools/perplexity/perplexity.cpp (kl_divergence), by its definitions and without
its 16-bit log-probabilities.
"""

import importlib.metadata
import json
import pathlib
import sys

import mlx.core as mx
import numpy as np

MODEL = pathlib.Path(__file__).parents[2] / "testdata/models/tiny-llama-b-4bit-mixed"
CONFIG = json.loads((MODEL / "config.json").read_text())
IDS = [[(37 * i + 11) % 512 for i in range(60)], [(101 * i + 7) % 512 for i in range(41)], [(53 * i * i + 3) % 512 for i in range(60)]]
SPOILED = ["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"]


def weights():
    stored = mx.load(str(MODEL / "model.safetensors"))
    out = {}
    for name, a in stored.items():
        module = name.removesuffix(".weight")
        if name.endswith((".scales", ".biases")):
            continue
        if module + ".scales" in stored:
            q = CONFIG["quantization"].get(module) or CONFIG["quantization"]
            a = mx.dequantize(a, stored[module + ".scales"].astype(mx.float32), stored[module + ".biases"].astype(mx.float32), group_size=q["group_size"], bits=q["bits"])
        out[module] = np.array(a.astype(mx.float32)).astype(np.float64)
    return out


def norm(x, gain):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + CONFIG["rms_norm_eps"]) * gain


def turned(x):
    """RoPE of [pos, head, d_head], the two halves of a head turning together."""
    n, _, d = x.shape
    angle = np.arange(n)[:, None] * CONFIG["rope_theta"] ** (-np.arange(0, d, 2) / d)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def stream(w, ids):
    """The stream behind each block, [layer][pos, d_model]."""
    heads, kv = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
    d = CONFIG["hidden_size"] // heads
    x, out, n = w["model.embed_tokens"][ids], [], len(ids)
    for i in range(CONFIG["num_hidden_layers"]):
        of = lambda name: w[f"model.layers.{i}.{name}"]
        h = norm(x, of("input_layernorm"))
        q, k = turned((h @ of("self_attn.q_proj").T).reshape(n, heads, d)), turned((h @ of("self_attn.k_proj").T).reshape(n, kv, d))
        v = (h @ of("self_attn.v_proj").T).reshape(n, kv, d)
        k, v = np.repeat(k, heads // kv, 1), np.repeat(v, heads // kv, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(d)
        z = np.einsum("hqk,khd->qhd", softmax(np.where(np.tri(n, dtype=bool), scores, -np.inf)), v)
        x = x + z.reshape(n, -1) @ of("self_attn.o_proj").T
        h = norm(x, of("post_attention_layernorm"))
        gate = h @ of("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ of("mlp.up_proj").T)) @ of("mlp.down_proj").T
        out.append(x)
    return out


def log_probs(w, x):
    logits = norm(x, w["model.norm"]) @ w["model.embed_tokens"].T
    most = logits.max(-1, keepdims=True)
    return logits - most - np.log(np.exp(logits - most).sum(-1, keepdims=True))


def kl(p, q):
    return (np.exp(p) * (p - q)).sum(-1)


def estimate(x):
    return {"mean": x.mean(), "error": np.sqrt(max(0, (x * x).mean() - x.mean() ** 2) / (len(x) - 1))}


def with_modules(base, other, names):
    return {**base, **{name: other[name] for name in names}}


def main():
    reference = weights()
    candidate = with_modules(reference, {SPOILED[0]: reference[SPOILED[1]], SPOILED[1]: reference[SPOILED[0]]}, SPOILED)
    rows = [{k: [] for k in ("kl", "agree", "apart", "p", "q")} for _ in range(CONFIG["num_hidden_layers"])]
    blame = {role: {"alone": [], "restored": []} for role in SPOILED}
    for ids in IDS:
        at, next_ = np.arange(len(ids) // 2, len(ids) - 1), np.array(ids[len(ids) // 2 + 1 :])
        r, c = stream(reference, ids), stream(candidate, ids)
        for row, x, y in zip(rows, r, c):
            p, q = log_probs(reference, x[at]), log_probs(candidate, y[at])
            row["kl"] += list(kl(p, q))
            row["agree"] += list(p.argmax(-1) == q.argmax(-1))
            row["apart"] += list(np.linalg.norm(y[at] - x[at], axis=-1) / np.linalg.norm(x[at], axis=-1))
            row["p"] += list(p[np.arange(len(at)), next_])
            row["q"] += list(q[np.arange(len(at)), next_])
        for role in SPOILED:
            alone, restored = with_modules(reference, candidate, [role]), with_modules(candidate, reference, [role])
            blame[role]["alone"] += list(kl(p, log_probs(alone, stream(alone, ids)[-1][at])))
            blame[role]["restored"] += list(kl(p, q) - kl(p, log_probs(restored, stream(restored, ids)[-1][at])))
    last = {k: np.array(v, dtype=np.float64) for k, v in rows[-1].items()}
    n, nll_q, nll_p, delta = len(last["kl"]), -last["q"], -last["p"], np.exp(last["q"]) - np.exp(last["p"])
    square = estimate(delta**2)
    final = {
        "kl": estimate(last["kl"]), "kl_percentiles": {str(p): np.percentile(last["kl"], p) for p in (100, 99.9, 99, 95, 90, 50, 10, 5, 1, 0.1, 0)},
        "ppl_candidate": np.exp(nll_q.mean()), "ppl_reference": np.exp(nll_p.mean()), "ln_ppl_ratio": estimate(nll_q - nll_p),
        "correlation": np.corrcoef(nll_q, nll_p)[0, 1], "delta_p": estimate(delta), "delta_p_percentiles": {str(p): np.percentile(delta, p) for p in (100, 75, 50, 25, 0)},
        "delta_p_rms": {"mean": np.sqrt(square["mean"]), "error": square["error"] / (2 * np.sqrt(square["mean"]))}, "same_top": last["agree"].mean(), "tokens": n,
    }
    by_row = [{"kl": estimate(np.array(r["kl"])), "same_top": np.mean(r["agree"]), "relative_error": np.mean(r["apart"]), "ppl_reference": np.exp(-np.mean(r["p"])), "ppl_candidate": np.exp(-np.mean(r["q"]))} for r in rows]
    ranked = {role: {d: estimate(np.array(x)) for d, x in of.items()} for role, of in blame.items()}
    versions = {name: importlib.metadata.version(name) for name in ("mlx", "numpy")}
    with open(sys.argv[1], "w") as f:
        json.dump({"versions": versions, "ids": IDS, "final": final, "rows": by_row, "blame": ranked}, f)


if __name__ == "__main__":
    main()
