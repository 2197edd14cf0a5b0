"""Record testdata/golden/edges.json.gz: edge attribution patching by TransformerLens' hooks, and captum's
attributions to inputs, on three tiny random models of testdata/golden/architectures.

    python edges.py

It needs transformer-lens 4.3.0, captum 0.9.0 and transformers, and no network. Models are as their files have
them: no weight is folded or centred.

eap: (u_clean − u_corrupted)·∂(logit difference)/∂(what v reads), summed over positions, of each writer u and
each reader v (Syed et al. 2023), with the gradients at the corrupted run. Readers are hook_q_input,
hook_k_input and hook_v_input of each head, hook_mlp_in, and the last hook_resid_post, before their norms;
writers are the embedding, hook_result of each head and hook_mlp_out.

eap_ig: the same with the gradients' mean over runs whose embeddings lie between the two, at numpy's points
and weights of Gauss and Legendre (Hanna et al. 2024).

input_x_gradient, integrated_gradients: captum's, of the logit difference of the clean run, summed over a
token's embedding; baselines are the zero vector, and a token.
"""

import importlib.metadata

import captum.attr
import numpy as np
import torch
from attribution import CHANGED, LENGTH, OTHER, TARGET, difference, rounded
from drawn import bits
from transformer_lens_judge import MODELS, VERSIONS, case_of, judge, write

STEPS, BASELINE = 6, 11


def writers(cache, layers):
    """Of each writer its name, the layer of the first reader behind it, whether the MLP of its own layer is one, and its values."""
    yield "embed", 0, False, cache["blocks.0.hook_resid_pre"][0]
    for i in range(layers):
        for h, x in enumerate(cache[f"blocks.{i}.attn.hook_result"][0].unbind(1)):
            yield f"layers.{i}.head_out#{h}", i + 1, True, x
        yield f"layers.{i}.mlp_out", i + 1, False, cache[f"blocks.{i}.hook_mlp_out"][0]


def gradients(bridge, ids, start):
    """The gradients by what each reader reads, of a run that begins with some embeddings: name, layer, whether it is an MLP, gradient."""
    layers, seen = bridge.cfg.n_layers, {}
    names = [f"blocks.{i}.{hook}" for i in range(layers) for hook in ("attn.hook_q_input", "attn.hook_k_input", "attn.hook_v_input", "hook_mlp_in")]
    last = f"blocks.{layers - 1}.hook_resid_post"

    def keep(name):
        def hook(x, hook):
            seen[name] = x.detach().clone()[0]

        return hook

    entering = [("blocks.0.hook_resid_pre", lambda x, hook: start.clone().requires_grad_())]
    with bridge.hooks(fwd_hooks=entering, bwd_hooks=[(n, keep(n)) for n in [*names, last]]):
        difference(bridge(torch.tensor([ids]))).backward()
    for i in range(layers):
        for part in "qkv":
            for h, x in enumerate(seen[f"blocks.{i}.attn.hook_{part}_input"].unbind(1)):
                yield f"layers.{i}.{part}#{h}", i, False, x
        yield f"layers.{i}.mlp", i, True, seen[f"blocks.{i}.hook_mlp_in"]
    yield "logits", layers, False, seen[last]


def edges(bridge, clean, corrupted, points, weights, parallel):
    with torch.no_grad():
        caches = [bridge.run_with_cache(torch.tensor([ids]))[1] for ids in (clean, corrupted)]
    both = list(zip(*[writers(c, bridge.cfg.n_layers) for c in caches], strict=True))
    a, b = (c["blocks.0.hook_resid_pre"] for c in caches)
    scores = {}
    for t, weight in zip(points, weights, strict=True):
        for to, layer, mlp, gradient in gradients(bridge, corrupted, b + t * (a - b)):
            for (name, first, late, x), (_, _, _, y) in both:
                if layer >= first or mlp and late and not parallel and layer == first - 1:
                    key = f"{name} → {to}"
                    scores[key] = scores.get(key, 0) + weight * ((x - y) * gradient).sum()
    return {k: rounded(v)[0] for k, v in scores.items()}


def inputs(model, ids):
    embed = model.get_input_embeddings()
    x, base = (embed(torch.tensor([i])).detach() for i in (ids, [BASELINE] * len(ids)))

    def forward(e):
        logits = model(inputs_embeds=e).logits
        return logits[:, -1, TARGET] - logits[:, -1, OTHER]

    path = captum.attr.IntegratedGradients(forward)
    out = {"input_x_gradient": captum.attr.InputXGradient(forward).attribute(x.clone().requires_grad_())}
    for name, start in (("zero", torch.zeros_like(x)), ("token", base)):
        out[f"integrated_gradients_{name}"] = path.attribute(x, baselines=start, n_steps=STEPS, method="gausslegendre")
    return {k: rounded(v[0].sum(-1)) for k, v in out.items()}


def record(name):
    case = case_of(name)
    bridge, model = judge(case)
    vocab = case["config"]["vocab_size"]
    clean = [int(b) for b in bits(f"edges of {name}", LENGTH) % np.uint64(vocab)]
    corrupted = [CHANGED.get(i, token) for i, token in enumerate(clean)]
    found = inputs(model, clean)
    bridge.set_use_attn_result(True)
    bridge.set_use_split_qkv_input(True)
    bridge.set_use_hook_mlp_in(True)
    points, weights = np.polynomial.legendre.leggauss(STEPS)
    parallel = name == "gpt-neox"
    found["eap"] = edges(bridge, clean, corrupted, [0], [1], parallel)
    found["eap_ig"] = edges(bridge, clean, corrupted, (points + 1) / 2, weights / 2, parallel)
    return {"architecture": name, "clean": clean, "corrupted": corrupted} | found


if __name__ == "__main__":
    write("edges", {
        "schema": "mlxlens-golden/edges/1", "versions": VERSIONS | {"captum": importlib.metadata.version("captum")}, "compute": "float32, CPU",
        "target": TARGET, "other": OTHER, "steps": STEPS, "baseline": BASELINE, "models": [record(n) for n in MODELS],
    })
