"""Record testdata/golden/patching.json.gz: activation patching of TransformerLens on three tiny
random models of testdata/golden/architectures.

    python patching.py

positions: get_act_patch_resid_pre, …_attn_out and …_mlp_out, [layer][position]; heads:
get_act_patch_attn_head_{out,q,k,v}_all_pos, [layer][head]. The metric is the logit of the target
less that of the other token, at the last position; values are clean into corrupted.
"""

import numpy as np
import torch
from drawn import bits
from transformer_lens import patching
from transformer_lens_judge import MODELS, VERSIONS, case_of, judge, write

TARGET, OTHER, LENGTH = 5, 9, 9
CHANGED = {3: 17, 6: 21}
POSITIONS = {"resid_pre": patching.get_act_patch_resid_pre, "attn_out": patching.get_act_patch_attn_out, "mlp_out": patching.get_act_patch_mlp_out}
HEADS = {
    "z": patching.get_act_patch_attn_head_out_all_pos, "q": patching.get_act_patch_attn_head_q_all_pos, "k": patching.get_act_patch_attn_head_k_all_pos,
    "v": patching.get_act_patch_attn_head_v_all_pos, "pattern": patching.get_act_patch_attn_head_pattern_all_pos,
}


def difference(logits):
    return logits[0, -1, TARGET] - logits[0, -1, OTHER]


def grid(x):
    return [[float(f"{v:.8g}") for v in row] for row in x.tolist()]


def record(name):
    case = case_of(name)
    bridge, _ = judge(case)
    vocab = case["config"]["vocab_size"]
    clean = [int(b) for b in bits(f"patching of {name}", LENGTH) % np.uint64(vocab)]
    corrupted = [CHANGED.get(i, token) for i, token in enumerate(clean)]
    tokens = torch.tensor([corrupted])
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(torch.tensor([clean]))
        out = {"architecture": name, "clean": clean, "corrupted": corrupted, "baseline": {"clean": float(difference(logits)), "corrupted": float(difference(bridge(tokens)))}, "values": {}}
        for site, patch in (POSITIONS | HEADS).items():
            try:
                out["values"][site] = grid(patch(bridge, tokens, cache, difference))
            except Exception as e:  # the bridge has no such hook for this model
                print(name, site, repr(e)[:200])
    return out


if __name__ == "__main__":
    document = {"schema": "mlxlens-golden/patching/2", "versions": VERSIONS, "compute": "float32, CPU", "target": TARGET, "other": OTHER, "models": [record(n) for n in MODELS]}
    write("patching", document)
