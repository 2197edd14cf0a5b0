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

import gzip
import importlib.metadata
import json
import pathlib

import numpy as np
import tokenizers
import torch
import transformers
from drawn import bits, floats
from transformer_lens.model_bridge import TransformerBridge

GOLDEN = pathlib.Path(__file__).parents[2] / "testdata" / "golden"
TARGET, OTHER, LENGTH = 5, 9, 9
CHANGED = {3: 17, 6: 21}
SITES = {"resid_pre": "hook_resid_pre", "attn_out": "hook_attn_out", "mlp_out": "hook_mlp_out", "z": "attn.hook_z"}


def hf_name(kind, name):
    """The name that Hugging Face's model has for mlx-lm's."""
    if kind == "gpt_neox":
        return "lm_head.weight" if "embed_out" in name else name.replace("model.", "gpt_neox.", 1).replace(".h.", ".layers.", 1)
    if kind == "gpt2":
        return name.replace("model.", "transformer.", 1)
    return name


def judge(case):
    """TransformerLens' bridge to transformers' model, with the weights that the case's rule draws."""
    config = transformers.AutoConfig.for_model(**case["config"] | {"bos_token_id": 0, "eos_token_id": 0})
    config.architectures = {"gpt2": ["GPT2LMHeadModel"], "llama": ["LlamaForCausalLM"], "gpt_neox": ["GPTNeoXForCausalLM"]}[config.model_type]
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    weights = {}
    for name, _, shape, center, amplitude in case["tensors"]:
        w = torch.tensor(floats(name, shape, center, amplitude))
        if config.model_type == "gpt2" and w.ndim == 2 and ".h." in name:
            w = w.T.contiguous()
        weights[hf_name(config.model_type, name)] = w
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or [m for m in missing if "lm_head" not in m and "inv_freq" not in m]:
        raise RuntimeError(f"{case['name']}: {missing} are missing, {unexpected} unknown")
    model.tie_weights()
    model.eval()
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(i): i for i in range(config.vocab_size)}, unk_token="0"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token="0", eos_token="0", pad_token="0")
    tokenizer.init_kwargs |= {"name_or_path": case["name"], "add_bos_token": True}
    bridge = TransformerBridge.boot_transformers(case["name"], hf_model=model, tokenizer=tokenizer)
    bridge.set_use_attn_result(True)
    return bridge, model


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
    case = json.load(gzip.open(GOLDEN / "architectures" / f"{name}.json.gz"))
    bridge, model = judge(case)
    vocab = case["config"]["vocab_size"]
    clean = [int(b) for b in bits(f"attribution of {name}", LENGTH) % np.uint64(vocab)]
    corrupted = [CHANGED.get(i, token) for i, token in enumerate(clean)]
    return {"architecture": name, "clean": clean, "corrupted": corrupted} | attributions(bridge, model, clean) | {"effects": effects(bridge, clean, corrupted)}


def main():
    versions = {p: importlib.metadata.version(p) for p in ("transformer-lens", "transformers", "torch")}
    out = {
        "schema": "mlxlens-golden/attribution/1", "versions": versions, "compute": "float32, CPU", "target": TARGET, "other": OTHER,
        "models": [record(n) for n in ("gpt2", "llama", "gpt-neox")],
    }
    with gzip.GzipFile(GOLDEN / "attribution.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps(out, separators=(",", ":")).encode())


main()
