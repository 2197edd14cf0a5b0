"""Numbers that a name draws: splitmix64, seeded with FNV-1a of the name."""

import numpy as np

MASK64 = (1 << 64) - 1


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK64
    return h


def bits(name, n):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def floats(name, shape, center, amplitude):
    """The numbers of a floating tensor, float32."""
    u = (bits(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1
    return (center + amplitude * u).astype(np.float32).reshape(shape)


def drawn(name, dtype, shape, center, amplitude):
    import mlx.core as mx

    z = bits(name, int(np.prod(shape)))
    if dtype == "uint32":
        return mx.array(((z >> np.uint64(32)) & np.uint64(amplitude)).astype(np.uint32).reshape(shape))
    if dtype == "uint8":
        return mx.array((np.uint64(center) + (z >> np.uint64(40)) % np.uint64(amplitude)).astype(np.uint8).reshape(shape))
    return mx.array(floats(name, shape, center, amplitude)).astype(getattr(mx, dtype)).astype(mx.float32)
