#!/usr/bin/env python3
"""Record tuned lenses, written and read by mlxterp and by AlignmentResearch's tuned-lens.

    python tuned.py mlxterp MODEL_DIR OUTPUT_DIR      # mlxterp at 2935fbf, and requirements.txt
    python tuned.py train GOLDEN MODEL_DIR OUTPUT_DIR # the same
    python tuned.py alignment OUTPUT_DIR/NAME        # tuned-lens 0.2.0, torch 1.13.0, transformers 4.36.2

mlxterp: translators I + 0.1·N(0, 1)/√d_model and biases 0.1·N(0, 1), seeded with the name,
saved by mlxterp's TunedLens.save as NAME.json and NAME.npz; NAME.expected.json has what
mlxterp's tuned_lens says for some ids, and states before and after each translator.

train: a lens that mlxterp trains on the ids and with the settings of a recorded training
(schema mlxlens-golden/tuned/1), as TunedLens.save writes it.

alignment: the same translators as tuned-lens has them, W − I on what enters the next
block, saved by its TunedLens.save as alignment/NAME/config.json and params.pt. Its translator 0,
of the embedding, is drawn. expected.json beside them has states before and after transform_hidden.

All is computed in float32 on a CPU.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np

TOP = 5


def seeded(name):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def digits(x):
    return float(f"{x:.8g}")


def rounded(x):
    return [[digits(v) for v in row] for row in np.asarray(x, np.float64)]


def drawn(rng, d):
    return (0.1 * rng.standard_normal((d, d)) / np.sqrt(d)).astype(np.float32), (0.1 * rng.standard_normal(d)).astype(np.float32)


class Ids:
    """A tokenizer whose text is the ids themselves."""

    def __init__(self, size):
        self.vocab_size = size

    def encode(self, text, **_):
        return [int(x) for x in text.split()]

    def decode(self, ids, **_):
        return " ".join(map(str, np.atleast_1d(ids)))


def opened(path):
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_lm.utils import load_model
    from mlxterp import InterpretableModel

    mx.set_default_device(mx.cpu)
    model = load_model(path)[0]
    model.update(tree_map(lambda p: p.astype(mx.float32) if mx.issubdtype(p.dtype, mx.floating) else p, model.parameters()))
    return InterpretableModel(model, Ids(model.args.vocab_size)), model


def versions(*packages):
    from importlib.metadata import version

    return {name: version(name) for name in packages}


def best(predictions):
    order = sorted(predictions, key=lambda p: (-float(p[1]), p[0]))
    return [int(p[0]) for p in order], [digits(float(p[1])) for p in order]


def results(wrapped, lens, ids):
    """mlxterp's own tuned lens: ids and logits, [layer][pos][top], and the logit after them."""
    layers = []
    for _, positions in sorted(wrapped.tuned_lens(" ".join(map(str, ids)), lens, top_k=TOP + 1).items()):
        both = [best([(p[0], p[1]) for p in cell]) for cell in positions]
        layers.append({"ids": [b[0][:TOP] for b in both], "logits": [b[1][:TOP] for b in both], "next": [b[1][TOP] for b in both]})
    return layers


def mlxterp(path, out):
    import mlx.core as mx
    from mlxterp.tuned_lens import TunedLens

    wrapped, model = opened(path)
    n, d = model.args.num_hidden_layers, model.args.hidden_size
    rng = seeded(path.name)
    lens = TunedLens(n, d)
    for t in lens.translators:
        w, b = drawn(rng, d)
        t.weight, t.bias = mx.array(np.eye(d, dtype=np.float32) + w), mx.array(b)
    lens.save(str(out / path.name))
    ids = [int(x) for x in rng.integers(0, model.args.vocab_size, 7)]
    states = rng.standard_normal((2, d)).astype(np.float32)
    expected = {
        "schema": "mlxlens-golden/tuned-lens/1", "model": path.name, "ids": ids, "layers": results(wrapped, lens, ids),
        "states": rounded(states), "decoded": [rounded(lens(mx.array(states), i)) for i in range(n)],
        "versions": versions("mlx", "mlx-lm", "numpy") | {"mlxterp": "0.1.0 @ 2935fbf", "device": "cpu"},
    }
    (out / f"{path.name}.expected.json").write_text(json.dumps(expected) + "\n")


def train(golden, path, out):
    from mlxterp.tuned_lens import train_tuned_lens

    recorded = json.loads(golden.read_text())
    wrapped, _ = opened(path)
    lens = train_tuned_lens(wrapped, [" ".join(map(str, recorded["ids"]))], verbose=False, **recorded["settings"])
    lens.save(str(out / path.name))
    for got, want in zip(lens.translators, recorded["weight_fro"]):
        assert abs(float(np.linalg.norm(np.array(got.weight))) - want) < 1e-3 * want, "not the training that was recorded"


def alignment(path):
    import torch
    from tuned_lens.nn.lenses import TunedLens, TunedLensConfig

    config = json.loads(path.with_suffix(".json").read_text())
    n, d = config["num_layers"], config["hidden_dim"]
    arrays = np.load(path.with_suffix(".npz"))
    rng = seeded(path.name + " embed")

    class Unembed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unembedding = torch.nn.Linear(d, 8, bias=False)

        def unembedding_hash(self):
            return hashlib.sha256(path.name.encode()).hexdigest()

    lens = TunedLens(Unembed(), TunedLensConfig(base_model_name_or_path=path.name, d_model=d, num_hidden_layers=n))
    parts = [drawn(rng, d)] + [
        (arrays[f"translators_{i}_weight"] - np.eye(d, dtype=np.float32), arrays[f"translators_{i}_bias"]) for i in range(n - 1)
    ]
    for t, (w, b) in zip(lens, parts):
        t.weight.data, t.bias.data = torch.from_numpy(w), torch.from_numpy(b)
    out = path.parent / "alignment" / path.name
    lens.save(out)
    states = rng.standard_normal((2, d)).astype(np.float32)
    with torch.no_grad():
        decoded = [rounded(lens.transform_hidden(torch.from_numpy(states), i).numpy()) for i in range(n)]
    expected = {
        "schema": "mlxlens-golden/tuned-lens/1", "model": path.name, "states": rounded(states), "decoded": decoded,
        "versions": versions("tuned-lens", "torch", "numpy") | {"device": "cpu"},
    }
    (out / "expected.json").write_text(json.dumps(expected) + "\n")


COMMANDS = {"mlxterp": mlxterp, "train": train, "alignment": alignment}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*map(pathlib.Path, sys.argv[2:]))
