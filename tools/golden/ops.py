"""Records what mlx.core computes, operation by operation, for mlx's tests.

    python tools/golden/ops.py mlx/testdata/ops.jsonl.gz mlx/testdata/names.json

Needs mlx 0.32.2 on a CPU (requirements.txt). Each line of the first file is a case: the
operation by its name in mlx.core, arrays as dtype, shape and base64 of the elements' bytes,
parameters, and the results or null where mlx.core raises an error. The second file lists
the names of mlx.core. A second run writes the same bytes.
"""

import gzip
import inspect
import json
import sys

import mlx.core as mx
from ops_create import creation, randoms
from ops_elementwise import binary, reductions, unary
from ops_linear import fast, fourier, linalg, products, quantized
from ops_record import counts, lines
from ops_shape import indexing, mirrored, shapes

for group in [unary, binary, reductions, shapes, indexing, products, quantized, fast, linalg, fourier, creation, randoms, mirrored]:
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
