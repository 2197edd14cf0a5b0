"""Record testdata/golden/head-scores.json.gz: patterns and head scores of TransformerLens on three
tiny random models of testdata/golden/architectures.

    python head_scores.py

It needs transformer-lens 4.3.0 and transformers, and no network.
"""

import gzip
import json
import pathlib
import types

import tokenizers
import torch
import transformers
from drawn import bits, floats
from transformer_lens.head_detector import detect_head
from transformer_lens.model_bridge import TransformerBridge

GOLDEN = pathlib.Path(__file__).parents[2] / "testdata" / "golden"
PERIOD, FIRST = 14, 3
NAMES = {"previous": "previous_token_head", "duplicate": "duplicate_token_head", "induction": "induction_head"}


def hf_name(kind, name):
    """The name that Hugging Face's model has for mlx-lm's."""
    if kind == "gpt_neox":
        name = "lm_head.weight" if "embed_out" in name else name.replace("model.", "gpt_neox.", 1).replace(".h.", ".layers.", 1)
    if kind == "gpt2":
        name = name.replace("model.", "transformer.", 1)
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
    return TransformerBridge.boot_transformers(case["name"], hf_model=model, tokenizer=tokenizer)


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
    case = json.load(gzip.open(GOLDEN / "architectures" / f"{name}.json.gz"))
    model = judge(case)
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


def main():
    versions = {p: __import__("importlib.metadata").metadata.version(p) for p in ("transformer-lens", "transformers", "torch")}
    out = {"schema": "mlxlens-golden/head-scores/1", "versions": versions, "compute": "float32, CPU", "period": PERIOD, "models": [record(n) for n in ("gpt2", "llama", "gpt-neox")]}
    with gzip.GzipFile(GOLDEN / "head-scores.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps(out, separators=(",", ":")).encode())


main()
