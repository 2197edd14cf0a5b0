"""Record testdata/golden/patchscope.json.gz: patchscopes (Ghandeharioun et al. 2024, arXiv:2401.06102) by
transformers and hooks, on three tiny random models of testdata/golden/architectures.

    python patchscope.py

values: [layer][to layer] of the output of one block at a position of the source, mapped to scale*h + shift,
in the place of that of another block of the target prompt, through which every run goes whole: the best
token, its logit and probability, the target's logit, and the greedy continuation without a cache.
"""

import numpy as np
import torch
from drawn import bits
from transformer_lens_judge import MODELS, VERSIONS, case_of, hf_model, write

SOURCE, INTO, POSITION, TO, TARGET, CONTINUE = 7, 6, 4, 3, 5, 4
MAPS = {"plain": (1.0, 0.0), "mapped": (0.5, 0.125)}


def blocks_of(model):
    for path in ("model.layers", "transformer.h", "gpt_neox.layers"):
        try:
            return model.get_submodule(path)
        except AttributeError:
            pass
    raise RuntimeError("no blocks")


def hidden(out):
    return out[0] if isinstance(out, tuple) else out


def logits_of(model, ids, block=None, state=None):
    """The last position's logits, with a state in the place of a block's output at TO."""

    def put(_, __, out):
        hidden(out)[:, TO] = state
        return out

    hook = block.register_forward_hook(put) if block is not None else None
    with torch.no_grad():
        x = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
    if hook:
        hook.remove()
    return x


def run(model, ids, block, state):
    first, continued = None, []
    for _ in range(CONTINUE):
        x = logits_of(model, ids + continued, block, state)
        first = x if first is None else first
        continued.append(int(x.argmax()))
    return {
        "top": continued[0], "logit": float(first.max()), "prob": float(first.softmax(-1).max()), "target": float(first[TARGET]), "continued": continued,
    }


def record(name):
    case = case_of(name)
    model = hf_model(case)
    blocks, vocab = blocks_of(model), case["config"]["vocab_size"]
    source, into = ([int(b) for b in bits(f"{what} of {name}", n) % np.uint64(vocab)] for what, n in (("source", SOURCE), ("into", INTO)))
    states = []
    hooks = [b.register_forward_hook(lambda _, __, out: states.append(hidden(out)[0, POSITION].clone())) for b in blocks]
    with torch.no_grad():
        model(torch.tensor([source]), use_cache=False)
    for h in hooks:
        h.remove()
    values = {
        name: [[run(model, into, to, scale * state + shift) for to in blocks] for state in states] for name, (scale, shift) in MAPS.items()
    }
    return {"architecture": name, "source": source, "into": into, "baseline": run(model, into, None, None), "values": values}


if __name__ == "__main__":
    document = {
        "schema": "mlxlens-golden/patchscope/1", "versions": VERSIONS, "compute": "float32, CPU", "position": POSITION, "to": TO, "target": TARGET,
        "maps": MAPS, "models": [record(n) for n in MODELS],
    }
    write("patchscope", document)
