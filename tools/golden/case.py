"""What all recorders of tiny random models share: prompts, digits, rules of packed weights."""

import gzip
import json

import mlx.core as mx
import numpy as np
from drawn import bits


def digits(x, n=7):
    return float(f"{x:.{n}g}")


def rows(logits, at):
    values = np.array(logits.astype(mx.float32), np.float64)
    return [[digits(x) for x in values[p]] for p in at]


def norms(layers):
    """The L2 norm of each layer's output at each position."""
    return [[digits(x) for x in np.linalg.norm(np.array(h.astype(mx.float32), np.float64), axis=-1)] for h in layers]


def positions(n):
    """Positions whose logits are kept."""
    return list(range(n)) if n < 60 else [0, 15, 16, 17, 31, 32, 47, 59]


def prompt(name, n, vocab):
    return [int(b) for b in bits(f"ids of {name}", n) % np.uint64(vocab)]


def packed_rule(key, bits, mode):
    """Center and amplitude of a packed matrix's tensor."""
    size = 0.12 / 2 ** (bits - 1)
    if mode == "affine":
        return {"weight": (0, 0xFFFFFFFF), "scales": (size, 0.3 * size), "biases": (-0.12, 0.03)}[key]
    if key == "weight":  # fp8's NaNs have every exponent bit set
        return (0, 0xBFBFBFBF if mode == "mxfp8" else 0xFFFFFFFF)
    return {"mxfp4": (121, 4), "mxfp8": (122, 3), "nvfp4": (0x10, 8)}[mode]


def write(folder, case):
    name = case["name"]
    top = max(abs(x) for run in case["runs"] for row in run["logits"] for x in row)
    with gzip.GzipFile(folder / f"{name}.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps(case, separators=(",", ":")).encode())
    print(f"{name}: largest logit {top:.3g}, smallest gap {case['greedy']['smallest_gap']}")
