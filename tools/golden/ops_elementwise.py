"""Elementwise operations and reductions."""

import mlx.core as mx
import numpy as np
from ops_record import *


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
