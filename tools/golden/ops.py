"""Records what mlx.core computes, operation by operation, for mlx's tests.

    python tools/golden/ops.py mlx/testdata/ops.jsonl.gz mlx/testdata/names.json

Needs mlx 0.32.2 on a CPU (requirements.txt). Each line of the first file is a case: the
operation by its name in mlx.core, arrays as dtype, shape and base64 of the elements' bytes,
parameters, and the results or null where mlx.core raises an error. The second file lists
the names of mlx.core. A second run writes the same bytes.
"""

import base64
import gzip
import inspect
import json
import sys

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


def unary():
    domains = {"arccos": (-1, 1), "arcsin": (-1, 1), "arctanh": (-0.9, 0.9), "arccosh": (1, 4), "erfinv": (-0.9, 0.9),
               "log": (0.1, 4), "log2": (0.1, 4), "log10": (0.1, 4), "log1p": (-0.5, 4), "sqrt": (0, 4), "rsqrt": (0.1, 4),
               "reciprocal": (0.5, 4)}
    for op in ["abs", "negative", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "square", "reciprocal",
               "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh",
               "sigmoid", "erf", "erfinv", "floor", "ceil", "sign", "degrees", "radians", "isnan", "isinf", "isfinite",
               "isposinf", "isneginf", "logical_not", "stop_gradient", "real", "imag", "conjugate", "trunc", "positive",
               "zeros_like", "ones_like", "contiguous"]:
        if not hasattr(mx, op):
            continue
        lo, hi = domains.get(op, (-2, 2))
        for dtype in FLOATS:
            for shape in SHAPES[:4 if dtype == F32 else 1]:
                C(op, get(op), [a(dtype, shape, lo, hi)])
        C(op, get(op), [a(I32, (5,), max(lo, 1), hi + 1)])
        C(op, get(op), [v(float("nan"), float("inf"), -float("inf"), 0.0, -0.0)])
        if op in ("abs", "negative", "exp", "square", "real", "imag", "conjugate", "sin", "sqrt", "isnan"):
            C(op, get(op), [a(C64, (2, 2))])
    for dtype in [I32, U8, I64, B, F32]:
        C("bitwise_invert", mx.bitwise_invert, [a(dtype, (6,), 0, 100)])
    for dtype in FLOATS:
        for n in [0, 1, 2, -1]:
            C("round", lambda x, decimals: mx.round(x, decimals), [a(dtype, (2, 5), -30, 30)], decimals=n)
    C("round", lambda x, decimals: mx.round(x, decimals), [v(0.5, 1.5, 2.5, -0.5)], decimals=0)
    for dtype in FLOATS:
        C("to_fp8", mx.to_fp8, [a(dtype, (3, 8), -500, 500)])
        C("from_fp8", lambda x, dtype: mx.from_fp8(x, DT(dtype)), [a(U8, (2, 9), 0, 120)], dtype=str(dtype).split(".")[-1])
    for src in [F32, F16, BF16, I32, I8, U8, U32, I64, B]:
        for dst in [F32, F16, BF16, I32, I8, U32, I64, B]:
            lo = 0 if dst == U32 or src in (U8, U32) else -3
            C("astype", lambda x, dtype: x.astype(DT(dtype)), [a(src, (2, 3), lo, 3)], dtype=str(dst).split(".")[-1])
    for src, dst in [(F32, I32), (F32, mx.uint16), (F16, mx.int16), (U8, U32), (I32, U8)]:
        C("view", lambda x, dtype: mx.view(x, DT(dtype)), [a(src, (2, 4), 0, 9)], dtype=str(dst).split(".")[-1])
    C("view", lambda x, dtype: mx.view(x, DT(dtype)), [a(U8, (2, 3), 0, 9)], dtype="uint32")


def binary():
    pairs = [((2, 3), (2, 3)), ((2, 1), (1, 3)), ((), (4,)), ((0, 3), (3,)), ((2, 3), (4,))]  # the last is an error
    for op in ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "logaddexp", "arctan2", "floor_divide",
               "remainder", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
               "logical_xor", "divmod"]:
        if not hasattr(mx, op):
            continue
        for x, y in pairs:
            C(op, get(op), [a(F32, x, 0.5, 3), a(F32, y, 0.5, 3)])
        for dx, dy in [(F16, F16), (BF16, BF16), (F16, F32), (I32, I32), (I32, F32), (U8, I8), (I64, I32), (B, I32)]:
            C(op, get(op), [a(dx, (2, 3), 1, 5), a(dy, (3,), 1, 5)])
        C(op, get(op), [a(F32, (7,), -5, 5), a(F32, (7,), -5, 5)])
        C(op, get(op), [v(float("nan"), 1.0, float("inf")), v(1.0, float("nan"), float("inf"))])
    for op in ["floor_divide", "remainder"]:
        C(op, get(op), [v(7, -7, 7, -7, dtype=I32), v(2, 2, -2, -2, dtype=I32)])
    for op in ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"]:
        for dtype in [I32, U8, I64, U32]:
            C(op, get(op), [a(dtype, (2, 3), 0, 60), a(dtype, (3,), 0, 5)])
        C(op, get(op), [a(F32, (3,)), a(F32, (3,))])
    for nan in [False, True]:
        x, y = v(1.0, float("nan"), 2.0, float("inf")), v(1.00001, float("nan"), 2.1, float("inf"))
        for op in ["isclose", "allclose"]:
            C(op, lambda x, y, rtol, atol, nan, f=get(op): f(x, y, rtol=rtol, atol=atol, equal_nan=nan), [x, y], rtol=1e-4, atol=1e-8, nan=nan)
            C(op, lambda x, y, rtol, atol, nan, f=get(op): f(x, y, rtol=rtol, atol=atol, equal_nan=nan), [a(F16, (2, 2)), a(F16, (2,))], rtol=10, atol=1, nan=nan)
        C("array_equal", lambda x, y, nan: mx.array_equal(x, y, equal_nan=nan), [x, x], nan=nan)
        C("array_equal", lambda x, y, nan: mx.array_equal(x, y, equal_nan=nan), [x, a(F32, (2, 2))], nan=nan)
        C("array_equal", lambda x, y, nan: mx.array_equal(x, y, equal_nan=nan), [v(1, 2, dtype=I32), v(1.0, 2.0)], nan=nan)
    for dtype in FLOATS + [I32]:
        C("where", mx.where, [a(B, (2, 3)), a(dtype, (2, 3)), a(dtype, (3,))])
        C("clip", mx.clip, [a(dtype, (2, 5), -5, 5), v(-1, dtype=dtype), v(2, dtype=dtype)])
        C("clip", mx.clip, [a(dtype, (5,), -5, 5), None, v(2, dtype=dtype)])
    C("where", mx.where, [a(B, (2, 3)), a(F32, (4,)), a(F32, (3,))])
    for pos, neg in [(None, None), (7.0, -8.0)]:
        for dtype in FLOATS:
            x = v(float("nan"), float("inf"), -float("inf"), 1.5, dtype=dtype)
            C("nan_to_num", lambda x, nan, posinf, neginf: mx.nan_to_num(x, nan, posinf, neginf), [x], nan=0.5, posinf=pos, neginf=neg)


def reductions():
    for op in ["sum", "prod", "mean", "max", "min", "all", "any", "logsumexp", "median", "var", "std", "softmax", "count_nonzero"]:
        if not hasattr(mx, op):
            continue
        f = get(op)
        for dtype in FLOATS + [I32, B]:
            if dtype == B and op in ("logsumexp", "median", "var", "std", "softmax"):
                continue
            for axes in [None, [0], [-1], [0, 2], [3], [0, 0]]:
                extra = {"ddof": 1} if op in ("var", "std") and dtype == F32 else {}
                C(op, lambda x, axes=None, ddof=0, f=f: f(x, axis=axes, **({"ddof": ddof} if ddof else {})), [a(dtype, (2, 3, 4))], axes=axes, **extra)
        C(op, lambda x, axes=None, f=f: f(x, axis=axes), [a(F32, (0, 3))], axes=[1])
        C(op, lambda x, axes=None, f=f: f(x, axis=axes), [v(float("nan"), 1.0)], axes=None)
    for op in ["argmax", "argmin"]:
        for dtype in FLOATS + [I32]:
            for axis in [None, 0, -1, 5]:
                C(op, lambda x, axis, f=get(op): f(x, axis=axis), [a(dtype, (3, 5), -3, 3)], axis=axis)
    for op in ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"]:
        for dtype in FLOATS + [I32]:
            for axis, reverse, inclusive in [(0, False, True), (-1, True, True), (1, False, False), (None, False, True), (4, False, True)]:
                C(op, lambda x, axis, reverse, inclusive, f=get(op): f(x, axis=axis, reverse=reverse, inclusive=inclusive),
                  [a(dtype, (3, 4))], axis=axis, reverse=reverse, inclusive=inclusive)
    for op in ["sort", "argsort"]:
        for dtype in FLOATS + [I32]:
            for axis in [None, 0, -1, 9]:
                C(op, lambda x, axis, f=get(op): f(x, axis=axis), [a(dtype, (4, 6), -100, 100)], axis=axis)
    for dtype in FLOATS + [I32]:
        x = mx.array(np.arange(20).reshape(4, 5) * 7 % 20).astype(dtype)
        for op in ["partition", "argpartition"]:
            for kth, axis in [(2, -1), (0, 0), (-1, 1), (9, 1)]:
                C(op, lambda x, kth, axis, f=get(op): f(x, kth, axis=axis), [x], kth=kth, axis=axis)
        for k, axis in [(2, -1), (1, 0), (9, 0), (0, 0)]:
            C("topk", lambda x, k, axis: mx.topk(x, k, axis=axis), [x], k=k, axis=axis)
        if hasattr(mx, "searchsorted"):
            for side in ["left", "right"]:
                C("searchsorted", lambda s, x, side: mx.searchsorted(s, x, side=side), [v(1, 2, 2, 5, dtype=dtype), v(0, 2, 3, 9, dtype=dtype)], side=side)
        if hasattr(mx, "diff"):
            for n, axis in [(1, -1), (2, 0), (0, 1), (-1, 0)]:
                C("diff", lambda x, n, axis: mx.diff(x, n=n, axis=axis), [x], n=n, axis=axis)


def shapes():
    x3 = lambda dtype=F32: a(dtype, (2, 3, 4), -9, 9)
    for dtype in [F32, BF16, I32, B]:
        for shape in [[6, 4], [-1], [2, -1, 2], [5, 5], [-1, -1]]:
            C("reshape", lambda x, shape: mx.reshape(x, shape), [x3(dtype)], shape=shape)
        for s, e in [(0, -1), (1, 2), (0, 1), (2, 1)]:
            C("flatten", lambda x, start, end: mx.flatten(x, start, end), [x3(dtype)], start=s, end=e)
        for axis, shape in [(2, [2, 2]), (-1, [-1, 1]), (0, [3, 3])]:
            C("unflatten", lambda x, axis, shape: mx.unflatten(x, axis, shape), [x3(dtype)], axis=axis, shape=shape)
        for axes in [None, [2, 0, 1], [0, -1, 1], [0, 0, 1], [0, 1]]:
            C("transpose", lambda x, axes: mx.transpose(x, axes), [x3(dtype)], axes=axes)
        for i, j in [(0, 1), (-1, 0), (0, 5)]:
            C("swapaxes", lambda x, i, j: mx.swapaxes(x, i, j), [x3(dtype)], i=i, j=j)
            C("moveaxis", lambda x, i, j: mx.moveaxis(x, i, j), [x3(dtype)], i=i, j=j)
        for axes in [[0], [1, -1], [7]]:
            C("expand_dims", lambda x, axes: mx.expand_dims(x, axes), [x3(dtype)], axes=axes)
        for axes in [None, [0], [0, -1], [1]]:
            C("squeeze", lambda x, axes: mx.squeeze(x, axes), [a(dtype, (1, 3, 1))], axes=axes)
        for shape in [[2, 3, 4], [5, 2, 3, 4], [2, 3]]:
            C("broadcast_to", lambda x, shape: mx.broadcast_to(x, shape), [a(dtype, (3, 1))], shape=shape)
        for axis in [0, -1, 3]:
            C("concatenate", lambda x, y, axis: mx.concatenate([x, y], axis), [x3(dtype), x3(dtype)], axis=axis)
            C("stack", lambda x, y, axis: mx.stack([x, y], axis), [x3(dtype), x3(dtype)], axis=axis)
        C("concatenate", lambda x, y, axis: mx.concatenate([x, y], axis), [a(dtype, (2, 3)), a(dtype, (2, 4))], axis=0)
        for n, axis in [(2, -1), (3, 1), (5, 0)]:
            C("split", lambda x, n, axis: mx.split(x, n, axis), [x3(dtype)], n=n, axis=axis)
        for at, axis in [([1, 3], -1), ([0, 2], 0), ([1], 1)]:
            C("split_at", lambda x, at, axis: mx.split(x, at, axis), [x3(dtype)], at=at, axis=axis)
        if hasattr(mx, "unstack"):
            for axis in [0, -1, 4]:
                C("unstack", lambda x, axis: mx.unstack(x, axis=axis), [x3(dtype)], axis=axis)
        for n, axis in [(2, 0), (3, -1), (2, None), (0, 1)]:
            C("repeat", lambda x, n, axis: mx.repeat(x, n, axis), [x3(dtype)], n=n, axis=axis)
        for reps in [[2], [2, 1, 3], [2, 1, 1, 1], [0]]:
            C("tile", lambda x, reps: mx.tile(x, reps), [x3(dtype)], reps=reps)
        for shift, axes in [([1], None), ([2], [1]), ([1, -1], [0, 2]), ([1], [9])]:
            C("roll", lambda x, shift, axes: mx.roll(x, shift[0] if axes is None else shift, axes), [x3(dtype)], shift=shift, axes=axes)
        if hasattr(mx, "flip"):
            for axes in [None, [0], [1, 2], [8]]:
                C("flip", lambda x, axes: mx.flip(x, axes), [x3(dtype)], axes=axes)
        for widths, mode in [([[1, 2], [0, 1]], "constant"), ([[1, 1]], "constant"), ([[2, 0], [1, 1]], "edge"), ([[1, 2]], "edge")]:
            C("pad", lambda x, widths, mode: mx.pad(x, [tuple(w) for w in widths] if len(widths) > 1 else tuple(widths[0]), mode=mode), [a(dtype, (2, 3))], widths=widths, mode=mode)
        for shape, strides, offset in [([2, 2], [1, 2], 0), ([3, 2], [2, 1], 4), ([2], [-1], 5)]:
            C("as_strided", lambda x, shape, strides, offset: mx.as_strided(x, shape, strides, offset), [a(dtype, (12,))], shape=shape, strides=strides, offset=offset)
        for k in [0, 1, -1, 5]:
            C("diag", lambda x, k: mx.diag(x, k), [a(dtype, (3,))], k=k)
            C("diag", lambda x, k: mx.diag(x, k), [a(dtype, (3, 4))], k=k)
            C("tril", lambda x, k: mx.tril(x, k), [a(dtype, (2, 3, 4))], k=k)
            C("triu", lambda x, k: mx.triu(x, k), [a(dtype, (2, 3, 4))], k=k)
        for o, i, j in [(0, 0, 1), (1, 1, 2), (-1, -1, 0), (0, 1, 1)]:
            C("diagonal", lambda x, offset, axis1, axis2: mx.diagonal(x, offset, axis1, axis2), [x3(dtype)], offset=o, axis1=i, axis2=j)
            if dtype != B:
                C("trace", lambda x, offset, axis1, axis2: mx.trace(x, offset, axis1, axis2), [x3(dtype)], offset=o, axis1=i, axis2=j)
        for op in ["atleast_1d", "atleast_2d", "atleast_3d"]:
            for shape in [(), (3,), (2, 3), (2, 3, 1, 1)]:
                C(op, get(op), [a(dtype, shape)])
        C("broadcast_arrays", lambda *xs: mx.broadcast_arrays(*xs), [a(dtype, (2, 1)), a(dtype, (3,)), a(dtype, ())])
        C("broadcast_arrays", lambda *xs: mx.broadcast_arrays(*xs), [a(dtype, (2, 2)), a(dtype, (3,))])
        for order in ["xy", "ij"]:
            for sparse in [False, True]:
                C("meshgrid", lambda x, y, order, sparse: mx.meshgrid(x, y, indexing=order, sparse=sparse), [a(dtype, (2,)), a(dtype, (3,))], order=order, sparse=sparse)


def indexing():
    for dtype in [F32, F16, I32]:
        x = a(dtype, (4, 5), -9, 9)
        for ix, axis in [(v(0, 3, -1, dtype=I32), 0), (v(1, 1, dtype=U32), 1), (mx.array([[0, 1], [2, -2]]), -1), (v(19, 0, dtype=I32), None)]:
            C("take", lambda x, i, axis: mx.take(x, i, axis), [x, ix], axis=axis)
        for ix, axis in [(mx.array([[0, 2], [1, 1], [4, -1], [0, 0]]), 1), (mx.array([[0, 1, 2, 3, -1]]), 0), (v(3, 4, dtype=I32), None)]:
            if axis is not None:
                C("take_along_axis", lambda x, i, axis: mx.take_along_axis(x, i, axis), [x, ix], axis=axis)
                C("put_along_axis", lambda x, i, u, axis: mx.put_along_axis(x, i, u, axis), [x, mx.array([[0, 2], [1, 3], [4, -2], [0, 1]]) if axis == 1 else mx.array([[0, 1, 2, 3, -1]]),
                                                                                             a(dtype, (4, 2) if axis == 1 else (1, 5))], axis=axis)
        C("take", lambda x, i, axis: mx.take(x, i, axis), [x, a(F32, (2,))], axis=0)

    def index(x, *arrays, index):
        return x[build(index, arrays)]

    def build(index, arrays):
        out = []
        for word in index:
            if word == "...":
                out.append(...)
            elif word == "new":
                out.append(None)
            elif isinstance(word, int):
                out.append(word)
            elif word.startswith("@"):
                out.append(arrays[int(word[1:])])
            else:
                out.append(slice(*[int(p) if p else None for p in word.split(":")]))
        return tuple(out)

    i, j, k = v(0, 2, -1, dtype=I32), v(1, 0, 1, dtype=I32), mx.array([[0], [1]])
    forms = [[0], [-1, 2], ["1:3"], [":", "::2"], ["...", 1], ["new", 0], ["::-1"], [":", "3:0:-2"], ["5:9"], [":-1", "-3:"], [1, "...", "new"],
             ["@0"], [":", "@1"], ["@0", "@1"], ["@2", "@1"], ["@0", ":", "@1"], ["1:3", "@1"], [0, "@1"], ["@1", "new", "::2"], [1, 1, 1], ["...", "@1"], [":", 2, "@1"],
             ["...", "..."], [0, 0, 0, 0], ["@3"], ["2:2"], ["new", "...", "new"], ["::-1", "::-1"], ["-1::-1", 1]]
    for dtype in [F32, BF16, I32]:
        for form in forms:
            # places in the last two axes stay below 2
            x = a(dtype, (3, 4, 2) if len([w for w in form if w != "new" and w != "..."]) <= 3 else (3, 4, 2), -9, 9)
            arrays = [i, j, k, a(F32, (2,))]
            C("index", index, [x] + arrays, index=form)

            def update(x, u, *arrays, index, how):
                at = x.at[build(index, arrays)]
                if how == "set":
                    y = mx.array(x)
                    y[build(index, arrays)] = u
                    return y
                return getattr(at, how)(u)

            for how in ["set", "add", "multiply", "maximum", "minimum"]:
                if form in (["@0", "@1"], ["@2", "@1"], [":", "@1"], [0, "@1"], ["1:3", "@1"], ["@1", "new", "::2"], ["...", "@1"], [":", 2, "@1"], ["@0", ":", "@1"]) and how == "set":
                    continue  # which of several updates for one place stays is not defined
                C("index_update", update, [x, a(dtype, (), -9, 9)] + arrays, index=form, how=how)
    for dtype in [F32, I32]:
        x = a(dtype, (4, 5), -9, 9)
        for _ in range(2):
            C("scatter_add_axis", lambda x, i, u, axis: x.at[mx.arange(4)[:, None], i].add(u), [x, mx.array([[0, 2], [1, 1], [4, 4], [0, 0]]), a(dtype, (4, 2))], axis=1)
        C("slice", lambda x, start, axes, size: mx.slice(x, start, tuple(axes), size), [x, v(1, 2, dtype=I32)], axes=[0, 1], size=[2, 3])
        C("slice", lambda x, start, axes, size: mx.slice(x, start, tuple(axes), size), [x, v(2, dtype=I32)], axes=[1], size=[4, 1])
        C("slice", lambda x, start, axes, size: mx.slice(x, start, tuple(axes), size), [x, v(0, dtype=I32)], axes=[0], size=[9, 1])
        C("slice_update", lambda x, u, start, axes: mx.slice_update(x, u, start, tuple(axes)), [x, a(dtype, (2, 2)), v(1, 2, dtype=I32)], axes=[0, 1])
        C("slice_update", lambda x, u, start, axes: mx.slice_update(x, u, start, tuple(axes)), [x, a(dtype, (4, 1)), v(3, dtype=I32)], axes=[1])
        C("slice_update", lambda x, u, start, axes: mx.slice_update(x, u, start, tuple(axes)), [x, a(dtype, (9, 1)), v(3, dtype=I32)], axes=[1])

        def masked(x, m, src):
            y = mx.array(x)
            y[m] = src[: int(m.sum().item())]
            return y

        C("masked_scatter", masked, [x, a(B, (4, 5)), a(dtype, (20,))])
        C("masked_scatter", masked, [a(dtype, (6,)), a(B, (6,)), a(dtype, (6,))])
        C("masked_scatter", masked, [a(dtype, (2, 2)), mx.array([[True, False], [False, True]]), a(dtype, (4,))])


def products():
    for dtype in FLOATS + [C64]:
        for x, y in [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 0), (0, 3))]:
            C("matmul", mx.matmul, [a(dtype, x), a(dtype, y)])
    C("matmul", mx.matmul, [a(I32, (2, 2)), a(I32, (2, 2))])
    for dtype in FLOATS:
        C("addmm", lambda c, x, y, alpha, beta: mx.addmm(c, x, y, alpha, beta), [a(dtype, (4,)), a(dtype, (2, 3)), a(dtype, (3, 4))], alpha=0.5, beta=2.0)
        C("addmm", lambda c, x, y, alpha, beta: mx.addmm(c, x, y, alpha, beta), [a(dtype, (5,)), a(dtype, (2, 3)), a(dtype, (3, 4))], alpha=1.0, beta=1.0)
        for x, y in [((3,), (4,)), ((2, 2), (3,)), ((), (2,))]:
            C("outer", mx.outer, [a(dtype, x), a(dtype, y)])
            C("kron", mx.kron, [a(dtype, x), a(dtype, y)])
        for x, y in [((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (4, 2))]:
            C("inner", mx.inner, [a(dtype, x), a(dtype, y)])
        if hasattr(mx, "vecdot"):
            for axis in [-1, 0, 3]:
                C("vecdot", lambda x, y, axis: mx.vecdot(x, y, axis=axis), [a(dtype, (2, 3)), a(dtype, (2, 3))], axis=axis)
        for axes in [[[1], [0]], [[0, 1], [1, 0]], [[], []], [[0], [0, 1]]]:
            C("tensordot", lambda x, y, axes: mx.tensordot(x, y, axes), [a(dtype, (2, 3)), a(dtype, (3, 2))], axes=axes)
        for s, shapes_ in [("ij,jk->ik", [(2, 3), (3, 4)]), ("ii->i", [(3, 3)]), ("bij,bjk,bk->bi", [(2, 2, 3), (2, 3, 2), (2, 2)]), ("...i->...", [(2, 3)]), ("ij,jk", [(2, 3), (3, 2)]), ("ij,jk->ik", [(2, 3), (4, 4)]), ("i->ij", [(2,)])]:
            C("einsum", lambda *xs, subscripts: mx.einsum(subscripts, *xs), [a(dtype, s_) for s_ in shapes_], subscripts=s)
        C("block_masked_mm", lambda x, y, o, l, r, block: mx.block_masked_mm(x, y, block, o, l, r), [a(dtype, (64, 32)), a(dtype, (32, 64)), a(B, (2, 2)), a(B, (2, 1)), a(B, (1, 2))], block=32)
        C("block_masked_mm", lambda x, y, o, l, r, block: mx.block_masked_mm(x, y, block, o, l, r), [a(dtype, (40, 40)), a(dtype, (40, 40)), a(B, (2, 2)), None, None], block=32)
        C("block_masked_mm", lambda x, y, o, l, r, block: mx.block_masked_mm(x, y, block, o, l, r), [a(dtype, (40, 40)), a(dtype, (40, 40)), a(B, (1, 2)), None, None], block=32)
        C("gather_mm", lambda x, y, l, r, sorted: mx.gather_mm(x, y, l, r, sorted_indices=sorted), [a(dtype, (3, 2, 4)), a(dtype, (5, 4, 3)), v(0, 2, dtype=U32), v(1, 4, dtype=U32)], sorted=False)
        C("gather_mm", lambda x, y, l, r, sorted: mx.gather_mm(x, y, l, r, sorted_indices=sorted), [a(dtype, (5, 2, 4)), a(dtype, (5, 4, 3)), None, v(0, 1, 1, 2, 4, dtype=U32)], sorted=True)
        C("gather_mm", lambda x, y, l, r, sorted: mx.gather_mm(x, y, l, r, sorted_indices=sorted), [a(dtype, (3, 2, 4)), a(dtype, (5, 3, 3)), None, None], sorted=False)
        if hasattr(mx, "segmented_mm"):
            C("segmented_mm", mx.segmented_mm, [a(dtype, (3, 6)), a(dtype, (6, 2)), mx.array([[0, 2], [2, 6], [3, 3]], dtype=U32)])
            C("segmented_mm", mx.segmented_mm, [a(dtype, (3, 6)), a(dtype, (5, 2)), mx.array([[0, 2]], dtype=U32)])
            C("segmented_mm", mx.segmented_mm, [a(dtype, (1, 4)), a(dtype, (4, 1)), mx.array([[0, 4]], dtype=U32)])
        for n in [8, 12, 5]:
            C("hadamard_transform", lambda x, scale: mx.hadamard_transform(x, scale), [a(dtype, (2, n))], scale=None)
        C("hadamard_transform", lambda x, scale: mx.hadamard_transform(x, scale), [a(dtype, (4,))], scale=1.0)
        conv = lambda f: (lambda x, w, **k: f(x, w, **{n: tuple(p) if isinstance(p, list) and len(p) > 1 else p[0] if isinstance(p, list) else p for n, p in k.items()}))
        for stride, padding, dilation, groups in [([1], [0], [1], 1), ([2], [1], [1], 2), ([1], [2], [2], 1), ([1], [0], [9], 1), ([1], [0], [1], 3)]:
            C("conv1d", conv(mx.conv1d), [a(dtype, (2, 8, 4)), a(dtype, (6, 3, 4 // min(groups, 2)))], stride=stride, padding=padding, dilation=dilation, groups=groups)
        for stride, padding, dilation, groups in [([1, 1], [0, 0], [1, 1], 1), ([2, 1], [1, 0], [1, 2], 2), ([1, 2], [1, 2], [2, 1], 1), ([1, 1], [0, 0], [7, 1], 1)]:
            C("conv2d", conv(mx.conv2d), [a(dtype, (1, 6, 7, 4)), a(dtype, (2, 2, 3, 4 // groups))], stride=stride, padding=padding, dilation=dilation, groups=groups)
            C("conv_transpose2d", conv(mx.conv_transpose2d), [a(dtype, (1, 4, 3, 4)), a(dtype, (2, 2, 3, 4 // groups))], stride=stride, padding=padding, dilation=dilation, output_padding=[0, 0], groups=groups)
        for stride, padding, dilation in [([1, 1, 1], [0, 0, 0], [1, 1, 1]), ([2, 1, 2], [1, 0, 1], [1, 2, 1]), ([1, 1, 1], [0, 1, 2], [1, 1, 1])]:
            C("conv3d", conv(mx.conv3d), [a(dtype, (1, 4, 5, 6, 2)), a(dtype, (3, 2, 2, 3, 2))], stride=stride, padding=padding, dilation=dilation, groups=1)
            C("conv_transpose3d", conv(mx.conv_transpose3d), [a(dtype, (1, 3, 3, 3, 2)), a(dtype, (3, 2, 2, 3, 2))], stride=stride, padding=padding, dilation=dilation, output_padding=[0, 0, 1], groups=1)
        for stride, padding, dilation, output in [([1], [0], [1], [0]), ([2], [1], [1], [1]), ([3], [0], [2], [0])]:
            C("conv_transpose1d", conv(mx.conv_transpose1d), [a(dtype, (2, 5, 4)), a(dtype, (3, 3, 4))], stride=stride, padding=padding, dilation=dilation, output_padding=output, groups=1)
        for k in [dict(stride=[1], low=[1], high=[0], dilation=[1], input_dilation=[2], groups=1, flip=False), dict(stride=[2], low=[0], high=[3], dilation=[2], input_dilation=[1], groups=2, flip=True),
                  dict(stride=[1], low=[0], high=[0], dilation=[1], input_dilation=[1], groups=1, flip=True)]:
            C("conv_general", lambda x, w, stride, low, high, dilation, input_dilation, groups, flip: mx.conv_general(x, w, stride[0], (low, high), dilation[0], input_dilation[0], groups, flip),
              [a(dtype, (2, 8, 4)), a(dtype, (4, 3, 4 // k["groups"]))], **k)


def quantized():
    modes = [("affine", 32, 4), ("affine", 64, 8), ("affine", 128, 2), ("affine", 64, 3), ("affine", 32, 5), ("affine", 64, 6), ("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]
    for mode, group, bits in modes + [("affine", 16, 4), ("affine", 64, 7), ("mxfp4", 64, 4)]:
        for dtype in FLOATS:
            w = a(dtype, (4, 256))
            q = dict(mode=mode, group=group, bits=bits)
            C("quantize", lambda w, mode, group, bits: mx.quantize(w, group_size=group, bits=bits, mode=mode), [w], **q)
            if (mode, group, bits) not in modes:
                continue
            parts = list(mx.quantize(w, group_size=group, bits=bits, mode=mode)) + [None]
            parts = parts[:3]
            C("dequantize", lambda w, s, b, mode, group, bits: mx.dequantize(w, s, b, group_size=group, bits=bits, mode=mode, dtype=F32), parts, **q)
            x = a(dtype, (3, 256))
            C("quantized_matmul", lambda x, w, s, b, mode, group, bits: mx.quantized_matmul(x, w, s, b, transpose=True, group_size=group, bits=bits, mode=mode), [x] + parts, **q)
            stack = [mx.stack([p, p]) if p is not None else None for p in parts]
            C("gather_qmm", lambda x, w, s, b, l, r, mode, group, bits: mx.gather_qmm(x, w, s, b, l, r, transpose=True, group_size=group, bits=bits, mode=mode), [x[None]] + stack + [v(0, 0, dtype=U32), v(1, 0, dtype=U32)], **q)


def fast():
    for dtype in FLOATS:
        for shape in [(2, 8), (1, 3, 8), (8,)]:
            C("fast.rms_norm", lambda x, w, eps: mx.fast.rms_norm(x, w, eps), [a(dtype, shape), a(dtype, (8,))], eps=1e-5)
            C("fast.rms_norm", lambda x, w, eps: mx.fast.rms_norm(x, w, eps), [a(dtype, shape), None], eps=1e-5)
            C("fast.layer_norm", lambda x, w, b, eps: mx.fast.layer_norm(x, w, b, eps), [a(dtype, shape), a(dtype, (8,)), a(dtype, (8,))], eps=1e-5)
            C("fast.layer_norm", lambda x, w, b, eps: mx.fast.layer_norm(x, w, b, eps), [a(dtype, shape), None, None], eps=1e-3)
        C("fast.rms_norm", lambda x, w, eps: mx.fast.rms_norm(x, w, eps), [a(dtype, (2, 8)), a(dtype, (7,))], eps=1e-5)
        for traditional in [False, True]:
            for dims, offset in [(8, 0), (4, 3), (8, 100)]:
                C("fast.rope", lambda x, freqs, dims, traditional, base, scale, offset: mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset, freqs=freqs),
                  [a(dtype, (2, 3, 5, 8)), None], dims=dims, traditional=traditional, base=10000.0, scale=0.5, offset=offset)
            C("fast.rope", lambda x, freqs, dims, traditional, base, scale, offset: mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset, freqs=freqs),
              [a(dtype, (1, 1, 5, 8)), v(1, 2, 4, 8)], dims=8, traditional=traditional, base=None, scale=1.0, offset=2)
            C("rope_dynamic", lambda x, offset, dims, traditional, base, scale: mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset),
              [a(dtype, (2, 3, 5, 8)), v(3, 7, dtype=I32)], dims=8, traditional=traditional, base=10000.0, scale=1.0)
        for heads, kv, q, k in [(4, 2, 5, 5), (2, 2, 1, 7), (4, 1, 3, 6), (3, 2, 4, 4)]:
            qkv = [a(dtype, (2, heads, q, 8)), a(dtype, (2, kv, k, 8)), a(dtype, (2, kv, k, 8))]
            att = lambda q, k, v, mask, sinks, scale, causal: mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal" if causal else mask, sinks=sinks)
            C("fast.scaled_dot_product_attention", att, qkv + [None, None], scale=0.35, causal=True)
            C("fast.scaled_dot_product_attention", att, qkv + [a(B, (q, k)) | (mx.arange(k) == 0), None], scale=0.35, causal=False)
            C("fast.scaled_dot_product_attention", att, qkv + [a(dtype, (heads, q, k)), None], scale=0.35, causal=False)
            C("fast.scaled_dot_product_attention", att, qkv + [None, a(dtype, (heads,))], scale=0.35, causal=False)
        if hasattr(mx.fast, "cross_entropy"):
            for shape in [(4, 7), (2, 3, 5), (6,)]:
                C("fast.cross_entropy", mx.fast.cross_entropy, [a(dtype, shape), a(I32, shape[:-1], 0, shape[-1] - 1)])


def linalg():
    for n in [1, 3, 5]:
        for batch in [(), (2,)]:
            m = a(F32, batch + (n, n)) + 3 * mx.eye(n)
            spd = m @ mx.swapaxes(m, -1, -2) + mx.eye(n)
            for op in ["inv", "eigvals", "det"]:
                if hasattr(mx.linalg, op):
                    C("linalg." + op, get("linalg." + op), [m])
            for op in ["qr", "lu", "lu_factor", "slogdet", "eig"]:
                if hasattr(mx.linalg, op):
                    C("linalg." + op, get("linalg." + op), [m])
            C("linalg.pinv", mx.linalg.pinv, [a(F32, batch + (n, n + 1))])
            C("linalg.svd", lambda x: mx.linalg.svd(x), [a(F32, batch + (n, n + 1))])
            C("singular_values", lambda x: mx.linalg.svd(x, compute_uv=False), [a(F32, batch + (n, n + 1))])
            for upper in [False, True]:
                C("linalg.cholesky", lambda x, upper: mx.linalg.cholesky(x, upper=upper), [spd], upper=upper)
                C("linalg.cholesky_inv", lambda x, upper: mx.linalg.cholesky_inv(x, upper=upper), [mx.linalg.cholesky(spd, upper=upper)], upper=upper)
                t = mx.triu(m) if upper else mx.tril(m)
                C("linalg.tri_inv", lambda x, upper: mx.linalg.tri_inv(x, upper=upper), [t], upper=upper)
                C("linalg.solve_triangular", lambda x, y, upper: mx.linalg.solve_triangular(x, y, upper=upper), [t, a(F32, batch + (n, 2))], upper=upper)
                C("linalg.eigh", lambda x, upper: mx.linalg.eigh(x, "U" if upper else "L"), [spd], upper=upper)
                C("linalg.eigvalsh", lambda x, upper: mx.linalg.eigvalsh(x, "U" if upper else "L"), [spd], upper=upper)
            C("linalg.solve", mx.linalg.solve, [m, a(F32, batch + (n, 2))])
    singular = mx.ones((2, 2))
    for op in ["inv", "qr", "lu", "eig", "eigvals", "pinv", "svd"]:
        C("linalg." + op, get("linalg." + op), [a(F32, (3,))])
    C("linalg.inv", mx.linalg.inv, [a(F32, (2, 3))])
    C("linalg.inv", mx.linalg.inv, [singular])
    for axis, shape in [(-1, (2, 3)), (0, (3, 2)), (-1, (2, 4))]:
        C("linalg.cross", lambda x, y, axis: mx.linalg.cross(x, y, axis=axis), [a(F32, shape), a(F32, shape)], axis=axis)
    for axes in [None, [0], [0, 1], [5]]:
        C("linalg.norm", lambda x, axes: mx.linalg.norm(x, axis=axes), [a(F32, (3, 4))], axes=axes)
        C("linalg.norm", lambda x, axes: mx.linalg.norm(x, axis=axes), [a(C64, (3, 4))], axes=axes)
    for ord_, axes in [(1, [0]), (3, [1]), ("inf", [0]), ("-inf", [0]), (0, [0]), (1, [0, 1]), (-1, [0, 1]), ("inf", [0, 1]), (2, [0, 1]), (3, [0, 1])]:
        C("norm_ord", lambda x, ord, axes: mx.linalg.norm(x, float(ord), axis=axes), [a(F32, (3, 4))], ord=str(ord_), axes=axes)
    for name in ["fro", "nuc"]:
        C("norm_matrix", lambda x, name, axes: mx.linalg.norm(x, name, axis=axes), [a(F32, (3, 4))], name=name, axes=[0, 1])
        C("norm_matrix", lambda x, name, axes: mx.linalg.norm(x, name, axis=axes), [a(F32, (2, 3, 4))], name=name, axes=[-2, -1])
        C("norm_matrix", lambda x, name, axes: mx.linalg.norm(x, name, axis=axes), [a(F32, (3, 4))], name=name, axes=[0])


def fourier():
    norms = ["backward", "ortho", "forward"]
    for op in ["fft", "ifft", "rfft", "irfft"]:
        real = op == "rfft"
        for n, axis, norm in [(None, -1, 0), (6, 0, 1), (3, 1, 2), (0, 0, 0), (4, 7, 0)]:
            C("fft." + op, lambda x, n, axis, norm, f=get("fft." + op): f(x, n=n, axis=axis, norm=norms[norm]), [a(F32 if real else C64, (4, 5))], n=n, axis=axis, norm=norm)
        for n, axes, norm in [(None, [0, 1], 0), ([3, 6], [1, 0], 1), (None, [-2, -1], 2), ([3], [0, 1], 0)]:
            for k in ["2", "n"]:
                C("fft." + op + k, lambda x, n, axes, norm, f=get("fft." + op + k): f(x, s=n, axes=axes, norm=norms[norm]), [a(F32 if real else C64, (4, 5))], n=n, axes=axes, norm=norm)
    for axes in [None, [0], [0, 1], [4]]:
        for op in ["fftshift", "ifftshift"]:
            C("fft." + op, lambda x, axes, f=get("fft." + op): f(x, axes=axes), [a(F32, (4, 5))], axes=axes)
    for n, d in [(8, 1.0), (5, 0.5), (1, 2.0), (0, 1.0)]:
        for op in ["fftfreq", "rfftfreq"]:
            if hasattr(mx.fft, op):
                C("fft." + op, lambda n, d, f=get("fft." + op): f(n, d), [], n=n, d=d)


def creation():
    name = lambda d: str(d).split(".")[-1]
    for dtype in [F32, F16, BF16, I32, U8, B]:
        D = lambda f: (lambda dtype, **k: f(dtype=DT(dtype), **k))
        for shape in [[2, 3], [], [0, 4], [-1]]:
            C("zeros", D(lambda shape, dtype: mx.zeros(shape, dtype)), [], shape=shape, dtype=name(dtype))
            C("ones", D(lambda shape, dtype: mx.ones(shape, dtype)), [], shape=shape, dtype=name(dtype))
            C("full", D(lambda shape, x, dtype: mx.full(shape, mx.array(x, dtype))), [], shape=shape, x=1, dtype=name(dtype))
        for n, m, k in [(3, 3, 0), (2, 4, 1), (4, 2, -1), (-1, 2, 0)]:
            C("eye", D(lambda n, m, k, dtype: mx.eye(n, m, k, dtype)), [], n=n, m=m, k=k, dtype=name(dtype))
            C("tri", D(lambda n, m, k, dtype: mx.tri(n, m, k, dtype)), [], n=n, m=m, k=k, dtype=name(dtype))
        for n in [0, 1, 3]:
            C("identity", D(lambda n, dtype: mx.identity(n, dtype)), [], n=n, dtype=name(dtype))
        C("full_like", D(lambda x, v, dtype: mx.full_like(x, v, dtype)) if False else (lambda x, v, dtype: mx.full_like(x, v, DT(dtype))), [a(F32, (2, 3)), v(1)], dtype=name(dtype))
        C("full_like", lambda x, v, dtype: mx.full_like(x, v, DT(dtype)), [a(F32, (2, 3)), v(1, 0, 1)], dtype=name(dtype))
        C("full_like", lambda x, v, dtype: mx.full_like(x, v, DT(dtype)), [a(F32, (2, 3)), v(1, 0)], dtype=name(dtype))
    for dtype in [F32, F16, I32, I64]:
        for start, stop, step in [(0, 5, 1), (1, 2, 0.25), (5, 0, -2), (3, 3, 1), (0, 1, 0)]:
            if dtype in (I32, I64) and step == 0.25:
                continue
            C("arange", lambda start, stop, step, dtype: mx.arange(start, stop, step, DT(dtype)), [], start=start, stop=stop, step=step, dtype=name(dtype))
    for dtype in FLOATS:
        for num, endpoint in [(5, True), (1, True), (0, True), (4, False), (-1, True)]:
            C("linspace", lambda start, stop, num, endpoint, dtype: mx.linspace(start, stop, num, dtype=DT(dtype), **({} if endpoint else {"endpoint": False})), [], start=-1.0, stop=2.0, num=num, endpoint=endpoint, dtype=name(dtype))
    for op in ["hanning", "hamming", "blackman", "bartlett"]:
        for m in [0, 1, 2, 9, -1]:
            C(op, lambda m, f=get(op): f(m), [], m=m)


def randoms():
    name = lambda d: str(d).split(".")[-1]
    K = lambda f: (lambda seed, *xs, **k: f(mx.random.key(seed), *xs, **k))
    for seed in [0, 7, 2**40 + 3]:
        C("random.key", lambda seed: mx.random.key(seed), [], seed=seed)
        C("random.split", lambda seed, num: mx.random.split(mx.random.key(seed), num), [], seed=seed, num=2)
        C("random.split", lambda seed, num: mx.random.split(mx.random.key(seed), num), [], seed=seed, num=5)
        for shape in [[3, 4], [], [0, 2]]:
            for dtype in FLOATS:
                k = dict(seed=seed, shape=shape, dtype=name(dtype))
                C("random.uniform", lambda seed, shape, dtype, low, high: mx.random.uniform(low, high, shape, DT(dtype), mx.random.key(seed)), [], low=-1.0, high=3.0, **k)
                C("random.normal", lambda seed, shape, dtype, loc, scale: mx.random.normal(shape, DT(dtype), loc, scale, mx.random.key(seed)), [], loc=1.0, scale=0.5, **k)
                C("random.gumbel", lambda seed, shape, dtype: mx.random.gumbel(shape, DT(dtype), mx.random.key(seed)), [], **k)
                C("random.laplace", lambda seed, shape, dtype, loc, scale: mx.random.laplace(shape, DT(dtype), loc, scale, mx.random.key(seed)), [], loc=1.0, scale=0.5, **k)
                C("random.truncated_normal", lambda seed, shape, dtype, low, high: mx.random.truncated_normal(low, high, shape, DT(dtype), mx.random.key(seed)), [], low=-0.5, high=1.0, **k)
            for dtype in [I32, I64, U8]:
                C("random.randint", lambda seed, shape, dtype, low, high: mx.random.randint(low, high, shape, DT(dtype), mx.random.key(seed)), [], seed=seed, shape=shape, dtype=name(dtype), low=2, high=90)
            C("random.bernoulli", lambda p, seed, shape: mx.random.bernoulli(p, shape, mx.random.key(seed)), [a(F32, (), 0.2, 0.8)], seed=seed, shape=shape)
        logits = a(F32, (3, 5))
        for axis in [-1, 0, 4]:
            C("random.categorical", lambda x, seed, axis: mx.random.categorical(x, axis, key=mx.random.key(seed)), [logits], seed=seed, axis=axis)
            C("categorical_n", lambda x, seed, axis, n: mx.random.categorical(x, axis, num_samples=n, key=mx.random.key(seed)), [logits], seed=seed, axis=axis, n=4)
        C("categorical_shape", lambda x, seed, axis, shape: mx.random.categorical(x, axis, shape=shape, key=mx.random.key(seed)), [logits], seed=seed, axis=-1, shape=[4, 3])
        C("random.permutation", lambda x, seed, axis: mx.random.permutation(x, axis, mx.random.key(seed)), [logits], seed=seed, axis=0)
        C("random.permutation", lambda x, seed, axis: mx.random.permutation(x, axis, mx.random.key(seed)), [logits], seed=seed, axis=1)
        C("permutation_arange", lambda seed, n: mx.random.permutation(n, key=mx.random.key(seed)), [], seed=seed, n=9)
        m = a(F32, (3, 3))
        C("random.multivariate_normal", lambda mean, cov, seed, shape: mx.random.multivariate_normal(mean, cov, shape, F32, mx.random.key(seed)), [a(F32, (3,)), m @ m.T + mx.eye(3)], seed=seed, shape=[4])


for group in [unary, binary, reductions, shapes, indexing, products, quantized, fast, linalg, fourier, creation, randoms]:
    group()

with open(sys.argv[1], "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as f:
    for line in lines:
        f.write((json.dumps(line, separators=(",", ":")) + "\n").encode())

names = []
for prefix, module in [("", mx), ("fft.", mx.fft), ("linalg.", mx.linalg), ("random.", mx.random), ("fast.", mx.fast), ("metal.", mx.metal), ("cuda.", mx.cuda), ("distributed.", mx.distributed)]:
    for name in sorted(dir(module)):
        obj = getattr(module, name)
        if not name.startswith("_") and callable(obj) and not inspect.isclass(obj):
            names.append(prefix + name)
with open(sys.argv[2], "w") as f:
    json.dump(names, f, indent=1)
    f.write("\n")
print(len(lines), "cases of", len(counts), "operations;", sum(l["out"] is None for l in lines), "errors;", len(names), "names", file=sys.stderr)
few = {op: n for op, n in counts.items() if n < 3}
print("fewer than 3 cases:", few, file=sys.stderr)
