"""Arrays from nothing, and random ones."""

import mlx.core as mx
import numpy as np
from ops_record import *


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
