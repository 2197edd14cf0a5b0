"""Shapes and indices."""

import mlx.core as mx
import numpy as np
from ops_record import *


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
        views(dtype, x3)


def views(dtype, x3):
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


def gathers():
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


def indexed():
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


def slices():
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


def indexing():
    gathers()
    indexed()
    slices()


def mirrored():
    """Pads that are mirrored, with widths beyond the axis; after all others, whose random numbers stay."""
    for mode in ["reflect", "symmetric"]:
        for shape, widths in [((4,), [[2, 3]]), ((4,), [[10, 7]]), ((1,), [[3, 2]]), ((2,), [[5, 6]]), ((3, 4), [[0, 0], [7, 0]]), ((3, 4), [[9, 9]]), ((0, 3), [[0, 0], [2, 1]]), ((0, 3), [[1, 1], [0, 0]])]:
            for dtype in [F32, BF16, I32]:
                C("pad", lambda x, widths, mode: mx.pad(x, [tuple(w) for w in widths] if len(widths) > 1 else tuple(widths[0]), mode=mode), [a(dtype, shape, -9, 9)], widths=widths, mode=mode)
