#!/usr/bin/env python3
"""Record what the gguf package makes of random blocks of each quantized GGUF type.

    python kquants.py > kquants.json

A case is two rows of blocks: random bytes, with float16 factors that are finite. The
result is a float32 for each weight, in hexadecimal, little-endian.
"""

import json
import sys

import gguf
import numpy as np

# where the float16 factors of a block stand
FACTORS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}


def main():
    rng = np.random.default_rng(11)
    cases = []
    for name, factors in FACTORS.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (2, max(1, 64 // elements), size), dtype=np.uint8)
        for at in factors:
            d = rng.normal(0, 0.02, blocks.shape[:2]).astype(np.float16)
            blocks[..., at : at + 2] = d[..., None].view(np.uint8)
        rows = blocks.reshape(2, -1)
        weights = gguf.quants.dequantize(rows, kind).astype("<f4")
        cases.append({"type": name, "ggml_type": int(kind), "shape": list(weights.shape), "data": rows.tobytes().hex(), "float32": weights.tobytes().hex()})
    json.dump({"schema": "mlxlens-golden/gguf/1", "gguf": gguf_version(), "cases": cases}, sys.stdout)
    print()


def gguf_version():
    import importlib.metadata

    return importlib.metadata.version("gguf")


if __name__ == "__main__":
    main()
