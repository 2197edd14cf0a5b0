#!/usr/bin/env python3
"""Time mlx-lm's forward pass on a model directory, for docs/performance.md.

    python peers.py MODEL_DIR

The ids are those of mlxlens' own benchmark (go test -bench Forward ./lens). The
scales of packed weights are widened to float32 first: on a CPU mlx-lm takes 40 times
as long with float16 ones.
"""

import pathlib
import sys
import time

import mlx.core as mx
from mlx_lm.utils import load_model

from record import widened

mx.set_default_device(mx.cpu)
model = widened(load_model(pathlib.Path(sys.argv[1]))[0])
for n in (8, 64):
    ids = mx.array([[1000 + 37 * i for i in range(n)]])
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        mx.eval(model(ids))
        best = min(best, time.perf_counter() - start)
    print(f"mlx-lm forward, {n} tokens: {best:.3f} s")
