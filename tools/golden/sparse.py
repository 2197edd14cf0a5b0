"""Record testdata/sparse: random dictionaries of every kind that SAELens 6 saves, written by its own
save_model, and in expected.json.gz what its encode and decode make of some states.

    PYTHONPATH=… python sparse.py      # sae-lens 6.54.12, and transformer-lens 2.16.1 for its imports

Gemma Scope's form, params.npz, holds the weights of the JumpReLU autoencoder again; tiny-llama-b is one for
the model of that name, without states.
"""

import gzip
import importlib.metadata
import json
import pathlib
import shutil

import numpy as np
import torch
from sae_lens.saes import (
    GatedSAE, GatedSAEConfig, JumpReLUSAE, JumpReLUSAEConfig, JumpReLUTranscoder, JumpReLUTranscoderConfig, SkipTranscoder, SkipTranscoderConfig, StandardSAE,
    StandardSAEConfig, TopKSAE, TopKSAEConfig, Transcoder, TranscoderConfig,
)
from sae_lens.saes.sae import SAEMetadata

OUT = pathlib.Path(__file__).parents[2] / "testdata" / "sparse"
D, FEATURES, STATES, SEED = 64, 24, 5, 7
IN, MLP_IN, MLP_OUT = "blocks.1.hook_resid_post", "blocks.1.ln2.hook_out", "blocks.1.hook_mlp_out"

CASES = {
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "standard-uncentred": (StandardSAE, StandardSAEConfig, {"apply_b_dec_to_input": False, "normalize_activations": "layer_norm"}),
    "constant-norm": (StandardSAE, StandardSAEConfig, {"normalize_activations": "constant_norm_rescale"}),
    "gated": (GatedSAE, GatedSAEConfig, {}),
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {"apply_b_dec_to_input": False}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 5}),
    "topk-by-norm": (TopKSAE, TopKSAEConfig, {"k": 5, "rescale_acts_by_decoder_norm": True}),
    "transcoder": (Transcoder, TranscoderConfig, {"d_out": D, "apply_b_dec_to_input": False}),
    "jumprelu-transcoder": (JumpReLUTranscoder, JumpReLUTranscoderConfig, {"d_out": D, "apply_b_dec_to_input": False}),
    "skip-transcoder": (SkipTranscoder, SkipTranscoderConfig, {"d_out": D, "apply_b_dec_to_input": False}),
}


def record(name, states, like=None):
    kind, config, options = CASES[like or name]
    hooks = {"hook_name": MLP_IN, "hook_name_out": MLP_OUT} if "transcoder" in name else {"hook_name": IN}
    sae = kind(config(d_in=states.shape[1], d_sae=FEATURES, metadata=SAEMetadata(model_name="tiny", **hooks), **options))
    g = torch.Generator().manual_seed(SEED + len(name))
    with torch.no_grad():
        for key, p in sae.named_parameters():
            size = 0.3 if p.ndim == 2 else 0.2
            p.copy_(torch.rand(p.shape, generator=g) * size if key == "threshold" else (torch.rand(p.shape, generator=g) - 0.5) * 2 * size)
    sae.save_model(OUT / name)
    with torch.no_grad():
        acts = sae.encode(states)
        back = sae(states)
    digits = lambda x: [[float(f"{v:.7g}") for v in row] for row in x.tolist()]  # noqa: E731
    return sae, {"activations": digits(acts), "reconstruction": digits(back)}


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    states = torch.randn((STATES, D), generator=torch.Generator().manual_seed(SEED)) * 2
    cases = {}
    for name in CASES:
        sae, cases[name] = record(name, states)
        if name == "jumprelu":
            folder = OUT / "gemma-scope-2b-pt-res" / "layer_1" / "width_16k" / "average_l0_5"
            folder.mkdir(parents=True)
            np.savez(folder / "params.npz", **{k: v.detach().numpy() for k, v in sae.state_dict().items()})
    record("tiny-llama-b", torch.zeros((1, 128)), "jumprelu")  # of testdata/models/tiny-llama-b-4bit-mixed
    versions = {p: importlib.metadata.version(p) for p in ("sae-lens", "torch")}
    with gzip.GzipFile(OUT / "expected.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps({"versions": versions, "states": states.tolist(), "cases": cases}, separators=(",", ":")).encode())
