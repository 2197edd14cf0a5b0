"""How ops.py records a case of mlx.core."""

import base64

import mlx.core as mx
import numpy as np

assert mx.__version__ == "0.32.2", mx.__version__
mx.set_default_device(mx.cpu)

F32, F16, BF16, I32, I8, U8, U32, I64, B, C64 = (
    mx.float32, mx.float16, mx.bfloat16, mx.int32, mx.int8, mx.uint8, mx.uint32, mx.int64, mx.bool_, mx.complex64)
FLOATS = [F32, F16, BF16]
SHAPES = [(2, 3), (), (0, 3), (4, 1, 2)]
lines = []
counts = {}
rng = np.random.RandomState(0)


def DT(name):
    return mx.bool_ if name == "bool" else getattr(mx, name)


def a(dtype, shape, lo=-2.0, hi=2.0):
    """An array of numbers evenly distributed in [lo, hi]."""
    if dtype == B:
        return mx.array(rng.rand(*shape) < 0.5)
    if dtype == C64:
        return mx.array((rng.uniform(lo, hi, shape) + 1j * rng.uniform(lo, hi, shape)).astype(np.complex64))
    if dtype in (I32, I8, U8, U32, I64, mx.int16, mx.uint16, mx.uint64):
        return mx.array(rng.randint(int(lo), int(hi) + 1, shape)).astype(dtype)
    return mx.array(np.array(rng.uniform(lo, hi, shape), dtype=np.float32)).astype(dtype)


def v(*xs, dtype=F32):
    return mx.array(list(xs), dtype=dtype)


def encode(x):
    flat = mx.contiguous(x.reshape(-1))
    if x.dtype == BF16:
        flat = flat.view(mx.uint16)
    raw = np.array(flat).tobytes()
    return {"dtype": str(x.dtype).split(".")[-1], "shape": list(x.shape), "data": base64.b64encode(raw).decode()}


def C(op, f, inputs, **params):
    """Records one case of op: f(*inputs, **params)."""
    try:
        out = f(*inputs, **params)
        out = list(out) if isinstance(out, (list, tuple)) else [out]
        mx.eval(out)
        out = [encode(x) for x in out]
    except (ValueError, RuntimeError, IndexError, TypeError):
        out = None
    counts[op] = counts.get(op, 0) + 1
    lines.append({"op": op, "in": [encode(x) if x is not None else None for x in inputs], "params": params, "out": out})


def get(path):
    obj = mx
    for part in path.split("."):
        obj = getattr(obj, part)
    return obj
