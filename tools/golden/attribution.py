"""Record testdata/golden/attribution.json.gz: logit attributions and gradients of TransformerLens on three
tiny random models of testdata/golden/architectures.

    python attribution.py

It needs transformer-lens 4.3.0 and transformers, and no network. Models are as their files have
them: no weight is folded or centred.

components, heads: ActivationCache.logit_attrs of decompose_resid and of stack_head_results, at the last
position, of the target less the other token. logit_attrs leaves the final norm's gain out where no
weights are folded, so the directions given to it are W_U·γ.

effects: attribution patching (a_clean − a_corrupted)·∂(logit difference)/∂a at the corrupted run,
[layer][position] of resid_pre, attn_out and mlp_out, and [layer][head] of z, with the gradients that its
backward hooks see.
"""

import numpy as np
import torch
from drawn import bits
from transformer_lens_judge import MODELS, VERSIONS, case_of, judge, write

TARGET, OTHER, LENGTH = 5, 9, 9
CHANGED = {3: 17, 6: 21}
SITES = {"resid_pre": "hook_resid_pre", "attn_out": "hook_attn_out", "mlp_out": "hook_mlp_out", "z": "attn.hook_z"}


def final_gain(model):
    norms = [m for n, m in model.named_modules() if n.endswith(("ln_f", "final_layer_norm")) or n == "model.norm"]
    return norms[0].weight.detach()


def rounded(x):
    return [float(f"{v:.8g}") for v in x.detach().flatten().tolist()]


def difference(logits):
    return logits[0, -1, TARGET] - logits[0, -1, OTHER]


def attributions(bridge, model, ids):
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(torch.tensor([ids]))
    head = model.get_output_embeddings().weight.detach()
    direction = (head[TARGET] - head[OTHER]) * final_gain(model)
    out = {"difference": rounded(difference(logits))[0]}
    components, labels = cache.decompose_resid(return_labels=True, mode="all", pos_slice=-1)
    out["components"] = dict(zip(labels, rounded(cache.apply_ln_to_stack(components, pos_slice=-1) @ direction), strict=True))
    heads, labels = cache.stack_head_results(return_labels=True, pos_slice=-1)
    out["heads"] = dict(zip(labels, rounded(cache.apply_ln_to_stack(heads, pos_slice=-1) @ direction), strict=True))
    return out


def effects(bridge, clean, corrupted):
    with torch.no_grad():
        _, cache = bridge.run_with_cache(torch.tensor([clean]))
    names = {f"blocks.{i}.{hook}": site for site, hook in SITES.items() for i in range(bridge.cfg.n_layers)}
    values, gradients = {}, {}

    def keep(into, name):  # a hook goes by other names too
        def hook(x, hook):
            into[name] = x.detach().clone()

        return hook

    with bridge.hooks(fwd_hooks=[(n, keep(values, n)) for n in names], bwd_hooks=[(n, keep(gradients, n)) for n in names]):
        difference(bridge(torch.tensor([corrupted]))).backward()
    out = {site: [] for site in SITES}
    for name, site in names.items():
        x = (cache[name] - values[name]) * gradients[name]
        out[site].append(rounded(x[0].sum(dim=(0, 2)) if site == "z" else x[0].sum(-1)))
    return out


def record(name):
    case = case_of(name)
    bridge, model = judge(case)
    bridge.set_use_attn_result(True)
    vocab = case["config"]["vocab_size"]
    clean = [int(b) for b in bits(f"attribution of {name}", LENGTH) % np.uint64(vocab)]
    corrupted = [CHANGED.get(i, token) for i, token in enumerate(clean)]
    return {"architecture": name, "clean": clean, "corrupted": corrupted} | attributions(bridge, model, clean) | {"effects": effects(bridge, clean, corrupted)}


if __name__ == "__main__":
    write("attribution", {
        "schema": "mlxlens-golden/attribution/1", "versions": VERSIONS, "compute": "float32, CPU", "target": TARGET, "other": OTHER,
        "models": [record(n) for n in MODELS],
    })
