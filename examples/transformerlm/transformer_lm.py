"""main.go in Python's mlx 0.32.2, with the same weights, batches and losses.

    python examples/transformerlm/transformer_lm.py [examples/transformerlm/testdata/losses.json]

prints the losses, or writes all of them to the file."""

import json
import pathlib
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

vocab, dims, context, batch, steps = 128, 32, 32, 8, 120


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dims)
        self.positions = nn.SinusoidalPositionalEncoding(dims)
        self.encoder = nn.TransformerEncoder(2, dims, 4)
        self.head = nn.Linear(dims, vocab)

    def __call__(self, ids):
        x = self.embedding(ids) + self.positions(mx.arange(context))
        return self.head(self.encoder(x, nn.MultiHeadAttention.create_additive_causal_mask(context)))


def train():
    mx.set_default_device(mx.cpu)
    mx.disable_compile()
    mx.random.seed(0)
    model = LanguageModel()
    rate = optim.join_schedules([optim.linear_schedule(0, 1e-3, 10), optim.cosine_decay(1e-3, steps - 10, 1e-4)], [10])
    adam = optim.AdamW(rate)
    loss_and_grads = nn.value_and_grad(model, lambda x, y: nn.losses.cross_entropy(model(x), y, reduction="mean"))
    text = mx.array(list((pathlib.Path(__file__).parent / "corpus.txt").read_bytes()), mx.int32)
    losses = []
    for _ in range(steps):
        start = mx.random.randint(0, text.size - context, (batch, 1))
        ids = text[start + mx.arange(context + 1)]
        loss, grads = loss_and_grads(ids[:, :-1], ids[:, 1:])
        adam.update(model, grads)
        mx.eval(model.parameters(), adam.state, loss)
        losses.append(loss.item())
    return losses


losses = train()
if len(sys.argv) > 1:
    pathlib.Path(sys.argv[1]).write_text(json.dumps(losses) + "\n")
else:
    print("\n".join(f"step {i + 1:3}  loss {l:.2f}" for i, l in enumerate(losses) if i % 20 == 19))
