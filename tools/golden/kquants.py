#!/usr/bin/env python3
"""Record what the gguf package makes of random blocks of each quantized GGUF type.

    python kquants.py ../../checkpoint/testdata/kquants.json.gz

A case is four rows of random bytes as blocks, 512 weights a row for the K types and 128
for the others. The float16 factors of rows 0 and 1 are of the size of a model's, of row 2
any finite ones, of row 3 subnormal ones and zeros, all of both signs. The result is a
float32 for each weight. Both are in hexadecimal, little-endian.
"""

import gzip
import importlib.metadata
import json
import sys

import gguf
import numpy as np

# where the float16 factors of a block stand
FACTORS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],  # its scale is a power of two in a byte
}


def factors(rng, blocks):
    """Float16 numbers [4, blocks], as the docstring above says."""
    usual = rng.normal(0, 0.02, (2, blocks)).astype(np.float16).view(np.uint16)
    sign = rng.integers(0, 2, (2, blocks), dtype=np.uint16) << 15
    size = np.stack([rng.integers(0, 0x7C00, blocks, dtype=np.uint16), rng.integers(0, 0x400, blocks, dtype=np.uint16)])
    size[1, 0] = 0
    return np.concatenate([usual, sign | size]).astype("<u2")


def main():
    (out,) = sys.argv[1:]
    rng = np.random.default_rng(11)
    cases = []
    for name, places in FACTORS.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        count = 2 if elements == 256 else 4
        blocks = rng.integers(0, 256, (4, count, size), dtype=np.uint8)
        for at in places:
            blocks[..., at : at + 2] = factors(rng, count)[..., None].view(np.uint8)
        if name == "MXFP4":
            blocks[..., 0] = rng.integers(2, 253, (4, count))
        rows = blocks.reshape(4, -1)
        weights = gguf.quants.dequantize(rows, kind).astype("<f4")
        assert np.isfinite(weights).all()
        cases.append({"type": name, "ggml_type": int(kind), "shape": list(weights.shape), "data": rows.tobytes().hex(), "float32": weights.tobytes().hex()})
    versions = {name: importlib.metadata.version(name) for name in ("gguf", "numpy")}
    text = json.dumps({"schema": "mlxlens-golden/gguf/2", "versions": versions, "cases": cases}) + "\n"
    with open(out, "wb") as f:
        f.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
