"""Records how Python's mlx prints arrays, for mlx's Format:

    venv/bin/python tools/golden/printed.py mlx/testdata/printed.json

Each array has its elements' bytes in hexadecimal, little-endian, and its text.
"""

import json
import math
import sys

import mlx.core as mx

DTYPES = "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 complex64".split()


def arrays():
    for name in DTYPES:
        dtype = getattr(mx, name)
        yield name, mx.arange(6).reshape(2, 3).astype(dtype)
        yield name + " scalar", mx.array(1).astype(dtype)
        yield name + " empty", mx.zeros((0, 3)).astype(dtype)
        yield name + " one", mx.array([1]).astype(dtype)
        yield name + " seven", mx.arange(7).astype(dtype)
    for name in ["float16", "float32", "float64", "bfloat16"]:
        dtype = getattr(mx, name)
        yield name + " special", mx.array([math.nan, math.inf, -math.inf, -0.0]).astype(dtype)
        yield name + " small and large", mx.array([1e-7, 1 / 3, 1234567, 60000.5]).astype(dtype)
    yield "complex", mx.array([1 + 2j, -1 - 2.5j, complex(math.nan, math.inf), complex(0, -0.0)])
    yield "negative", mx.array([-128, 127, 0], dtype=mx.int8)
    yield "large", mx.array([2**63 - 1, -(2**63)], dtype=mx.int64)
    yield "unsigned", mx.array([0, 1], dtype=mx.uint64) - mx.array(1, dtype=mx.uint64)
    yield "three axes", mx.arange(24).reshape(2, 3, 4)
    yield "1001", mx.arange(1001)
    yield "wide", mx.arange(2000).reshape(2, 1000)
    yield "deep", mx.arange(1000).reshape(10, 10, 10)
    yield "tall", mx.arange(1500).reshape(1500, 1)


def record(name, a):
    raw = bytes(memoryview(a.reshape(-1).view(mx.uint8))) if a.size else b""
    dtype = str(a.dtype).removeprefix("mlx.core.")
    return {"name": name, "dtype": dtype, "shape": a.shape, "bytes": raw.hex(), "text": repr(a)}


def main(path):
    mx.set_default_device(mx.cpu)
    with open(path, "w") as file:
        for name, a in arrays():
            file.write(json.dumps(record(name, a)) + "\n")


main(*sys.argv[1:])
