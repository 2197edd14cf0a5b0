"""Records testdata/ggml.json: see README.md. Arguments: the SmolLM2 GGUF file, the output."""

import hashlib
import json
import os
import sys
import tempfile

import gguf
import mlx.core as mx
import numpy as np
from gguf.quants import dequantize, quantize

smollm2, out = sys.argv[1:]
rng = np.random.default_rng(20)
types = [gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0]
record = {"gguf": "0.19.0", "mlx": mx.__version__, "blocks": []}


def rows(typ):
    """Four rows of 64 weights: two quantized from normal numbers, one of random bits with
    scales of any finite size whose bias is finite too, one with subnormal and zero scales."""
    normal = quantize((rng.standard_normal((2, 64)) * 0.1).astype(np.float32), typ)
    size = normal.shape[1] // 2
    wild = rng.integers(0, 256, (2, 2, size), dtype=np.uint8)
    scale = lambda *h: np.array(h, dtype="<u2").view(np.uint8)
    wild[0, 0, :2] = scale(0xDB13)  # -226.4
    wild[0, 1, :2] = scale(0x5ABC)  # 215.5
    wild[1, 0, :2] = scale(0x8123)  # -1.73e-05, subnormal
    wild[1, 1, :2] = scale(0x0000)
    if typ == gguf.GGMLQuantizationType.Q4_1:
        wild[0, 0, 2:4], wild[0, 1, 2:4] = scale(0x4248), scale(0xC500)
        wild[1, 0, 2:4], wild[1, 1, 2:4] = scale(0x03FF), scale(0x8001)
    return np.concatenate([normal, wild.reshape(2, 2 * size)])


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "blocks.gguf")
    writer = gguf.GGUFWriter(path, "llama")
    data = {t: rows(t) for t in types}
    for t in types:
        writer.add_tensor(t.name + ".weight", data[t], raw_dtype=t)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    loaded = mx.load(path)
    for t in types:
        record["blocks"].append({
            "type": t.name,
            "stored": data[t].tobytes().hex(),
            "float32": dequantize(data[t], t).astype("<f4").tobytes().hex(),
            "affine": {p: np.array(loaded[f"{t.name}.{p}"]).tobytes().hex() for p in ("weight", "scales", "biases")},
        })

# The whole model: SHA-256 over all tensors in the order of their names.
sums = {k: hashlib.sha256() for k in ("float32", "weight", "scales", "biases")}
loaded = mx.load(smollm2)
for t in sorted(gguf.GGUFReader(smollm2).tensors, key=lambda t: t.name):
    sums["float32"].update(dequantize(t.data, t.tensor_type).astype("<f4").tobytes())
    if t.tensor_type in types:
        for p in ("weight", "scales", "biases"):
            sums[p].update(np.array(loaded[t.name.removesuffix("weight") + p]).tobytes())
record["smollm2"] = {
    "file": os.path.basename(smollm2),
    "file_sha256": hashlib.sha256(open(smollm2, "rb").read()).hexdigest(),
    **{k + "_sha256": s.hexdigest() for k, s in sums.items()},
}
with open(out, "w") as f:
    json.dump(record, f, indent=1)
    f.write("\n")
