"""Products, packed products, kernels, linear algebra, Fourier transforms."""

import mlx.core as mx
import numpy as np
from ops_record import *


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
