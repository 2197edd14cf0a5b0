#!/usr/bin/env python3
"""Record transformers' hidden states of the recorded tiny models.

    python hidden_states.py OUTPUT.json.gz [NAME ...]

Of each case: ids (60, as its longest run), and of a few positions all of the tuple that
output_hidden_states=True gives: hidden_states[0] is the embedding, hidden_states[i+1] what leaves
layer i, and of the last layer what the final norm makes of it, which is checked. torch on a CPU,
float32, eager.
"""

import gzip
import importlib.metadata
import json
import sys

import architectures
import families
import mlx.core as mx
import numpy as np
import torch
import transformers_judge
from architecture_cases import CASES
from case import digits, prompt

# the first wave of architectures beyond Llama's own
NAMES = [
    "gemma", "gemma4", "gemma4-text", "gemma4-unified", "gpt-neox", "gpt-neox-sequential", "gpt-oss", "ministral3", "mistral3", "mixtral", "olmo3", "olmoe", "qwen3-5",
    "qwen3-5-moe", "qwen3-moe", "qwen3-next", "smollm3",
]
AT = [0, 17, 59]  # past the windows of 16


def judge_of(name, of_families):
    if name in CASES:
        config = CASES[name]
        model = architectures.build(config)
        architectures.filled(model, architectures.tensors_of(model, config))
        return transformers_judge.Transformers(config, model), config
    family = of_families[name]
    return families.transformers_of(family, name), family.CASES[name]


def record(name, of_families):
    judge, config = judge_of(name, of_families)
    ids = prompt(name, 60, families.text_of(config)["vocab_size"])
    seen = []
    hook = judge.layers[-1].register_forward_hook(lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out))
    with torch.no_grad():
        out = judge.model(torch.tensor([ids]), use_cache=False, output_hidden_states=True)
    hook.remove()
    states = [h[0].numpy().astype(np.float64) for h in out.hidden_states]
    if len(states) != len(judge.layers) + 1:
        raise RuntimeError(f"{name}: {len(states)} states of {len(judge.layers)} layers")
    if np.array_equal(states[-1], seen[0][0].numpy().astype(np.float64)):
        raise RuntimeError(f"{name}: the last state is not normed")
    print(f"{name}: {len(states)} states")
    return {"name": name, "ids": ids, "states": [[[digits(x) for x in h[p]] for p in AT] for h in states]}


def main():
    mx.set_default_device(mx.cpu)
    of_families = families.cases()
    file = {
        "schema": "mlxlens-golden/hidden-states/1", "transformers": importlib.metadata.version("transformers"), "torch": importlib.metadata.version("torch"),
        "positions": AT, "cases": [record(name, of_families) for name in sys.argv[2:] or NAMES],
    }
    with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as f:
        f.write(json.dumps(file, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
