#!/usr/bin/env python3
"""Record what transformers computes with the model of `make model MODEL=gemma3-270m`.

    python gemma3.py MODEL.gguf OUTPUT.json.gz

transformers (torch, CPU, float32, eager attention; it needs gguf and accelerate) reads the
GGUF file, its tokenizer too. The file holds ids of texts; for each prompt the ten largest
logits at some positions and the L2 norm of every layer's output there; and a greedy
continuation. The last prompt is longer than the window of 512.
"""

import gzip
import json
import pathlib
import random
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "The capital of France is", "  two  spaces   and\ttab\n\nlines\r\n", "naïve café, déjà vu", "日本語のテキスト と 한국어 і українська", "🙂👩‍👩‍👧 ☃ \u200b",
    "def f(x):\n    return x ** 2  # square\n", "1234567890 3.14159 1,000,000", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<bos><eos>", "▁marks ▁▁ of ▁",
    "\x00\x01\x7f\ufffd", "ᚠᛇᚻ ⴰⵣⵓⵍ 𐎀𐎁 𓀀", "a" * 70, "http://example.org/?q=%20&x=[1]{2}", "ﬁ ﬂ ½ ² Ａ", "",
]
PROMPTS = ["The capital of France is", "Once upon a time, in a village by the sea,", "def fibonacci(n):\n    if n < 2:\n        return n\n    return"]


def strings(n):
    """Texts of random pieces."""
    r = random.Random(270)
    pieces = [t for text in TEXTS for t in text.split(" ")] + [" ", "  ", "\n", "\t", "é", "e\u0301", "ß", "’", "…", "<unused1>", "x", "9"]
    return ["".join(r.choice(pieces) + r.choice(["", " "]) for _ in range(r.randrange(1, 9))) for _ in range(n)]


def digits(x, n=7):
    return float(f"{float(x):.{n}g}")


def run(model, ids, positions):
    seen = []
    hooks = [layer.register_forward_hook(lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out)) for layer in model.model.layers]
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    for h in hooks:
        h.remove()
    top = [[[int(i), digits(x)] for x, i in zip(*logits[p].topk(10))] for p in positions]
    norms = [[digits(h.reshape(-1, h.shape[-1])[p].norm()) for p in positions] for h in seen]
    return {"ids": ids, "positions": positions, "top": top, "norms": norms}


def main():
    path = pathlib.Path(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    texts = [[t, tokenizer(t).input_ids] for t in TEXTS + strings(200)]
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [tokenizer(p).input_ids for p in PROMPTS]
    runs = [run(model, ids, list(range(len(ids)))) for ids in prompts]
    long = (prompts[1] + prompts[2][1:]) * 100
    runs.append(run(model, long[:600], [0, 300, 511, 512, 599]))
    with torch.no_grad():
        out = model.generate(torch.tensor([prompts[0]]), do_sample=False, max_new_tokens=16, attention_mask=torch.ones(1, len(prompts[0]), dtype=torch.long))
    case = {"schema": "mlxlens-golden/gemma3/1", "texts": texts, "runs": runs, "greedy": {"ids": prompts[0], "new_ids": out[0, len(prompts[0]) :].tolist()}}
    with gzip.GzipFile(sys.argv[2], "wb", mtime=0) as f:
        f.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")).encode())
    print(f"{len(texts)} texts, {len(runs)} prompts, continued with {case['greedy']['new_ids']}")


if __name__ == "__main__":
    main()
