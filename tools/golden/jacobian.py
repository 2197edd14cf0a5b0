"""Record testdata/golden/jacobian.json.gz: Jacobian lenses of TransformerLens on tiny random models of
testdata/golden/architectures, what they read, and what it does in their coordinates; and testdata/jacobian: its own
file, and a checkpoint of a fit as the paper's package writes it.

    python jacobian.py

It needs transformer-lens 4.3.0 and transformers, and no network. Models are as their files have them.

matrices: of each layer some rows, and J·x for a vector x that the rule of the weights draws.
readout: logits at the last position, of each layer and the model. vectors: of two tokens, in each layer.
steered, ablated, swapped, clamped: the model's logits at the last position. decomposed: a state's support and
coordinates by both algorithms.
"""

import json
import pathlib

import numpy as np
import torch
import transformers
from drawn import bits, floats
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis import JacobianLens
from transformer_lens_judge import GOLDEN, VERSIONS, case_of, hf_name, judge, write

OWN = GOLDEN.parent / "jacobian"
CLASSES = {"gemma": "GemmaForCausalLM", "gemma2": "Gemma2ForCausalLM", "qwen3_5_text": "Qwen3_5ForCausalLM"}
LENGTHS, SKIP, ROWS = (24, 20, 30), 16, (0, 9, 31, 63)
SOURCE, TARGET = 5, 9


def rounded(x):
    return [float(f"{v:.8g}") for v in np.asarray(x.detach() if torch.is_tensor(x) else x, dtype=np.float64).flatten()]


def prompts(name, vocab):
    return [[int(b) for b in bits(f"jacobian {i} of {name}", n) % np.uint64(vocab)] for i, n in enumerate(LENGTHS)]


def qwen_weight(name, w):
    """Qwen3.5's weight of transformers: it adds 1 to its norms' weights, and a convolution has its channels elsewhere."""
    if name.endswith("conv1d.weight"):
        return np.moveaxis(w, 2, 1).copy()
    if name.endswith(("layernorm.weight", "q_norm.weight", "k_norm.weight", "model.norm.weight")):
        return w - np.float32(1)
    return w


def hugging_face(case):
    config = transformers.AutoConfig.for_model(**case["config"] | {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0})
    kind = config.model_type
    config.architectures = [CLASSES[kind]]
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    weights = {}
    for name, _, shape, center, amplitude in case["tensors"]:
        name, w = name.removeprefix("language_model."), np.array(floats(name, shape, center, amplitude))
        weights[name] = torch.tensor(qwen_weight(name, w) if kind == "qwen3_5_text" else w)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or [m for m in missing if "lm_head" not in m and "inv_freq" not in m]:
        raise RuntimeError(f"{case['name']}: {missing} are missing, {unexpected} unknown")
    model.tie_weights()
    return model.eval()


def opened(case):
    """TransformerLens' bridge to transformers' model."""
    if case["config"]["model_type"] in ("gpt2", "llama"):
        return judge(case)[0]
    model = hugging_face(case)
    import tokenizers

    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(i): i for i in range(model.config.vocab_size)}, unk_token="0"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token="0", eos_token="0", pad_token="0")
    tokenizer.init_kwargs |= {"name_or_path": case["name"], "add_bos_token": True}
    return TransformerBridge.boot_transformers(case["name"], hf_model=model, tokenizer=tokenizer)


def matrices(name, j):
    d = next(iter(j.values())).shape[0]
    x = torch.tensor(floats(f"vector of {name}", [d], 0.0, 1.0))
    return {"vector": rounded(x), "matrices": [{"layer": l, "rows": {str(r): rounded(m[r]) for r in ROWS}, "product": rounded(m @ x)} for l, m in sorted(j.items())]}


def last(model, ids, hooks=()):
    with torch.no_grad(), model.hooks(fwd_hooks=list(hooks)):
        return rounded(model(torch.tensor([ids]))[0, -1])


def in_coordinates(model, lens, ids):
    layers, out = lens.source_layers, {}
    tokens = torch.tensor([ids])
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens)
    out["readout"] = {str(l): rounded(v[-1]) for l, v in lens.readout(model, tokens, return_full_logits=True).lens_logits.items()}
    out["vectors"] = {str(l): [rounded(v) for v in lens.lens_vectors(model, [SOURCE, TARGET], l)] for l in layers}
    out["steered"] = last(model, ids, lens.steering_hooks(model, TARGET, layers, alpha=0.7))
    out["steered_last"] = last(model, ids, lens.steering_hooks(model, TARGET, layers[:1], alpha=0.7, positions=[-1, 3]))
    out["ablated"] = last(model, ids, lens.ablation_hooks(model, [SOURCE, TARGET, 11], layers))
    out["swapped"] = last(model, ids, lens.swap_hooks(model, SOURCE, TARGET, layers, alpha=1.5))
    out["clamped"] = last(model, ids, lens.swap_hooks(model, SOURCE, TARGET, layers, clamp_to=cache))
    out["decomposed"] = {}
    for algorithm in ("nonnegative_orthogonal_matching_pursuit", "gradient_pursuit"):
        found = lens.decompose(model, tokens, layers[-1], position=-1, k=6, algorithm=algorithm)
        out["decomposed"][algorithm] = {"selected": found.selected_support.tolist(), "support": found.support.tolist(), "coordinates": rounded(found.coordinates)}
    return out


def record(name):
    case = case_of(name)
    bridge = opened(case)
    ids = prompts(name, case["config"]["vocab_size"])
    out = {"architecture": name, "prompts": ids, "skip": SKIP}
    texts = {" ".join(map(str, p)): torch.tensor([p]) for p in ids}
    tokens, bridge.to_tokens = bridge.to_tokens, lambda text, *_, **__: texts[text]
    lens = JacobianLens.fit(bridge, list(texts), corpus="random ids", dim_batch=24, skip_first_positions=SKIP, show_progress=False)
    bridge.to_tokens = tokens
    if name == "llama":
        OWN.mkdir(exist_ok=True)
        lens.save(OWN / "llama.pt")
        sums = {l: m * lens.n_prompts for l, m in lens.jacobians.items()}
        torch.save({"jacobian_sum": sums, "n_done": lens.n_prompts, "next_idx": lens.n_prompts, "source_layers": lens.source_layers, "target_layer": bridge.cfg.n_layers - 1, "skip_first": SKIP}, OWN / "llama-checkpoint.pt")
    return out | matrices(name, lens.jacobians) | in_coordinates(bridge, lens, out["prompts"][0])


if __name__ == "__main__":
    write("jacobian", {
        "schema": "mlxlens-golden/jacobian/1", "versions": VERSIONS, "compute": "float32, CPU", "source": SOURCE, "target": TARGET,
        "models": [record(n) for n in ("gpt2", "llama", "gemma", "gemma2-sliding", "qwen3-5-text")],
    })
