"""Records what mlx.core computes of an array and a Python number, for mlx's Weak, Scale and Shift:

    venv/bin/python tools/golden/weak.py mlx/testdata/weak.jsonl.gz

Needs mlx 0.32.2. Each line has the operation, the element type and the numbers of the array, the
number beside it (a complex one as [real, imaginary]) and its Python type, whether the number
is the first operand, and the result's type, shape and bytes in hexadecimal; no result where
mlx.core raises an error. A second run writes the same bytes.
"""

import gzip
import json
import sys
import warnings

import mlx.core as mx

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64".split()
NUMBERS = [0, 1, 3, -2, 100, 300, 40000, 2**31 - 1, 2**31, -(2**31), 2**32, -(2**40), 2**63 - 1,
           1.5, 2.0, -0.5, 1 / 3, 1e300, float("inf"), float("nan"), True, False, 2j, 1 - 2.5j]
OPS = ["add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "maximum", "minimum",
       "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logaddexp"]


DIVISIONS = ("floor_divide", "remainder")  # of integers by 0 they end Python's process


def operand(op, dtype):
    xs = [0, 1, 2, 5] if op not in DIVISIONS else [1, 2, 5]
    if dtype in ("float16", "bfloat16", "float32", "float64", "complex64"):
        xs += [0.25, 1.75]
    return xs, mx.array(xs).astype(mx.bool_ if dtype == "bool" else getattr(mx, dtype))


def record(op, dtype, c, first):
    xs, x = operand(op, dtype)
    line = {"op": op, "dtype": dtype, "x": xs, "kind": type(c).__name__, "first": first}
    line["c"] = [c.real, c.imag] if isinstance(c, complex) else repr(c) if isinstance(c, float) else c
    try:
        f = getattr(mx, op)
        out = f(c, x) if first else f(x, c)
        mx.eval(out)
    except (ValueError, RuntimeError):
        return line
    raw = bytes(memoryview(mx.contiguous(out).reshape(-1).view(mx.uint8)))
    return line | {"to": str(out.dtype).split(".")[-1], "shape": out.shape, "bytes": raw.hex()}


def main(path):
    assert mx.__version__ == "0.32.2", mx.__version__
    mx.set_default_device(mx.cpu)
    warnings.simplefilter("ignore")
    lines = [record(op, d, c, first) for op in OPS for d in DTYPES for c in NUMBERS for first in (False, True)
             if op not in DIVISIONS or c and (isinstance(c, (float, complex)) or abs(c) < 2**16)]
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as f:
        for line in lines:
            f.write((json.dumps(line, separators=(",", ":")) + "\n").encode())
    print(len(lines), "cases,", sum("to" not in line for line in lines), "errors", file=sys.stderr)


main(*sys.argv[1:])
