"""Record testdata/golden/head-scores.json.gz: patterns and head scores of TransformerLens on three
tiny random models of testdata/golden/architectures.

    python head_scores.py

It needs transformer-lens 4.3.0 and transformers, and no network.
"""

import types

import torch
from drawn import bits
from transformer_lens.head_detector import detect_head
from transformer_lens_judge import MODELS, VERSIONS, case_of, judge, write

PERIOD, FIRST = 14, 3
NAMES = {"previous": "previous_token_head", "duplicate": "duplicate_token_head", "induction": "induction_head"}


def prompts(name, vocab):
    """Random tokens that differ, twice, alone and behind one that is first; and tokens that come again by chance."""
    order = sorted(range(vocab), key=lambda i: int(bits(f"order of {name}", vocab)[i]))
    half = [i for i in order if i != FIRST][:PERIOD]
    chance = [int(b) for b in bits(f"chance of {name}", 30) % 11]
    return {"repeated": half + half, "first": [FIRST] + half + half, "chance": chance}


def detections(ids):
    n = len(ids)
    first = torch.zeros(n, n)
    first[:, 0] = 1
    return NAMES | {"first": first, "current": torch.eye(n)}


def rounded(x):
    return [round(float(v), 7) for v in x.flatten()]


def record(name):
    case = case_of(name)
    model, _ = judge(case)
    runs = []
    for what, ids in prompts(name, case["config"]["vocab_size"]).items():
        tokens = torch.tensor([ids])
        with torch.no_grad():
            _, cache = model.run_with_cache(tokens)
        layers, heads = model.cfg.n_layers, model.cfg.n_heads
        pattern = torch.stack([cache[f"blocks.{i}.attn.hook_pattern"][0] for i in range(layers)])  # [layer, head, query, key]
        asked = types.SimpleNamespace(cfg=types.SimpleNamespace(n_layers=layers, n_heads=heads, n_ctx=256, device="cpu", dtype=torch.float32), to_tokens=lambda _: tokens)
        seen = {("pattern", i, "attn"): pattern[i].clone() for i in range(layers)}
        run = {"prompt": what, "ids": ids, "scores": {}}
        for kind, detection in detections(ids).items():
            run["scores"][kind] = {
                "share": rounded(detect_head(asked, "", detection, cache=seen)),
                "share_without_first": rounded(detect_head(asked, "", detection, cache=seen, exclude_bos=True)),
                "share_without_current": rounded(detect_head(asked, "", detection, cache=seen, exclude_current_token=True)),
                "distance": rounded(detect_head(asked, "", detection, cache=seen, error_measure="abs")),
            }
        if what != "chance":  # as its notebooks' induction score
            for kind, offset in {"previous": -1, "current": 0, "duplicate": -PERIOD, "induction": 1 - PERIOD}.items():
                run["scores"][kind]["diagonal"] = rounded(pattern.diagonal(offset, dim1=-2, dim2=-1).mean(-1))
            run["scores"]["first"]["diagonal"] = rounded(pattern[..., 0].mean(-1))
        if what == "chance":
            run["pattern"] = rounded(pattern)
        runs.append(run)
    return {"architecture": name, "layers": layers, "heads": heads, "runs": runs}


if __name__ == "__main__":
    write("head-scores", {"schema": "mlxlens-golden/head-scores/1", "versions": VERSIONS, "compute": "float32, CPU", "period": PERIOD, "models": [record(n) for n in MODELS]})
