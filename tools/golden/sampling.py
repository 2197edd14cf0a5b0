#!/usr/bin/env python3
"""Record which ids mlx-lm's sampling filters keep of random logits.

    python sampling.py > sampling.json
"""

import json
import sys

import mlx.core as mx
import numpy as np
from mlx_lm import sample_utils

mx.set_default_device(mx.cpu)
rng = np.random.default_rng(7)
cases = []
for top_p, min_p, top_k in [
    (0.1, 0, 0), (0.5, 0, 0), (0.9, 0, 0), (0.99, 0, 0), (0, 0.02, 0), (0, 0.3, 0), (0, 1.0, 0), (0, 0, 1), (0, 0, 7), (0.9, 0.05, 0),
    (0.9, 0.05, 3), (0.6, 0, 40), (0.95, 0.01, 12),
]:
    logits = np.round(rng.normal(0, 2.5, 48), 4)
    logits[5] = logits[9]  # equal ones
    kept = mx.array(logits, mx.float32)[None]
    kept = kept - mx.logsumexp(kept, keepdims=True)
    if top_p:
        kept = sample_utils.apply_top_p(kept, top_p)
    if min_p:
        kept = sample_utils.apply_min_p(kept, min_p)
    if top_k:
        kept = sample_utils.apply_top_k(kept, top_k)
    ids = np.flatnonzero(np.isfinite(np.array(kept[0]))).tolist()
    cases.append({"logits": logits.tolist(), "top_p": top_p, "min_p": min_p, "top_k": top_k, "kept": ids})
seen = [3, 9, 9, 40, 2]
logits = np.round(rng.normal(0, 2.5, 48), 4)
penalized = sample_utils.make_repetition_penalty(1.3, 4)(seen, mx.array(logits, mx.float32)[None])
repetition = {
    "logits": logits.tolist(), "seen": seen, "penalty": 1.3, "context": 4,
    "penalized": [float(f"{x:.7g}") for x in np.array(penalized[0])],
}
json.dump({"schema": "mlxlens-golden/sampling/1", "filters": cases, "repetition": repetition}, sys.stdout)
print()
