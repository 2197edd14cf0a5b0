#!/usr/bin/env python3
"""Record trainings of tuned lenses, step by step, of a tiny random Llama.

    python tuned_training.py tuned-lens MODEL_DIR > OUTPUT.json  # tuned-lens 0.2.0, torch, transformers
    python tuned_training.py mlxterp MODEL_DIR > OUTPUT.json     # mlxterp at 2935fbf, and requirements.txt

tuned-lens: the loop of tuned_lens/scripts/train_loop.py, with its TunedLens, and optimizer, schedule and
clipping of its scripts/ingredients.py; in float32, where it would take bfloat16 (autocast), on a CPU,
and without its loading of data. Each step has four sequences of 24 ids in two batches of two.

mlxterp: its train_tuned_lens on the same ids, 48 at a time.

loss: the mean over layers of the mean over positions of KL(final ‖ lens), before each step.
"""

import json
import pathlib
import sys

import numpy as np

STEPS, LENGTH = 12, 24


def drawn(vocab):
    return [int(x) for x in np.random.default_rng(18).integers(0, vocab, 4 * 3 * LENGTH)]


def digits(x):
    return float(f"{float(x):.8g}")


def norms(translators):
    return [[digits(np.linalg.norm(w)), digits(np.linalg.norm(b))] for w, b in translators]


def tuned_lens(path):
    sys.modules["transformer_lens"] = None  # where it is installed, tuned-lens asks it for a class that 4.0 lacks
    import torch
    import transformers
    from transformers import AutoModelForCausalLM
    from tuned_lens.nn.lenses import TunedLens
    from tuned_lens.scripts.ingredients import Optimizer

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval().requires_grad_(False)
    ids = drawn(model.config.vocab_size)
    samples = torch.tensor(ids).reshape(-1, LENGTH)
    runs = []
    for name, bias_only, warmup in (("tuned-lens", False, 0), ("bias-only", True, 0), ("warmup", False, 3)):
        lens = TunedLens.from_model(model)
        if bias_only:
            for probe in lens:
                probe.weight.requires_grad_(False)
        options = Optimizer(warmup_steps=warmup)
        opt = options.create_optim([p for p in lens.parameters() if p.requires_grad])
        scheduler = options.create_scheduler(opt, STEPS)
        grad_acc_steps, losses = 2, []
        for step in range(STEPS):
            kl = []
            for part in range(grad_acc_steps):
                at = (step * 4 + part * 2) % len(samples)
                with torch.no_grad():
                    output = model(input_ids=samples[at : at + 2], output_hidden_states=True)
                labels = output.logits.float().log_softmax(dim=-1)
                for i, h in enumerate(output.hidden_states[:-1]):
                    logits = lens(h, idx=i)
                    loss = torch.sum(labels.exp() * (labels - logits.log_softmax(-1)), dim=-1).mean()
                    kl.append(loss.item())
                    (loss / grad_acc_steps).backward()
            torch.nn.utils.clip_grad_norm_(lens.parameters(), 1.0)
            opt.step()
            opt.zero_grad(set_to_none=False)
            scheduler.step()
            losses.append(digits(np.mean(kl)))
        runs.append({"name": name, "bias_only": bias_only, "warmup": warmup, "losses": losses,
                     "norms": norms([(p.weight.data.numpy(), p.bias.data.numpy()) for p in lens])})
    return {"batch": 4, "length": LENGTH, "ids": ids, "runs": runs,
            "versions": {"tuned-lens": "0.2.0", "torch": torch.__version__, "transformers": transformers.__version__, "device": "cpu"}}


def mlxterp(path):
    from mlxterp.tuned_lens import train_tuned_lens

    from tuned import opened, versions

    wrapped, model = opened(path)
    ids = drawn(model.args.vocab_size)
    losses = []
    # a token more than whole chunks: it goes back to the start where no more than one is left
    lens = train_tuned_lens(wrapped, [" ".join(map(str, ids + ids[:1]))], num_steps=STEPS, max_seq_len=2 * LENGTH, verbose=False,
                            callback=lambda _, loss: losses.append(digits(loss)))
    return {"batch": 1, "length": 2 * LENGTH, "ids": ids, "runs": [{"name": "mlxterp", "losses": losses,
            "norms": norms([(np.array(t.weight), np.array(t.bias)) for t in lens.translators])}],
            "versions": versions("mlx", "mlx-lm", "numpy") | {"mlxterp": "0.1.0 @ 2935fbf", "device": "cpu"}}


if __name__ == "__main__":
    program, path = sys.argv[1], pathlib.Path(sys.argv[2])
    result = {"tuned-lens": tuned_lens, "mlxterp": mlxterp}[program](path)
    print(json.dumps({"schema": "mlxlens-golden/tuned-training/1", "model": path.name, "steps": STEPS} | result))
