"""transformers as the judge: of GPT-NeoX, and wherever mlx-lm computes something else."""

import json
import pathlib
import tempfile

import mlx.core as mx
from mlx.utils import tree_flatten


def neox_name(name):
    """The name that Hugging Face's checkpoints have for mlx-lm's."""
    if name.startswith("model.embed_out."):
        return name.removeprefix("model.")
    return name.replace("model.h.", "gpt_neox.layers.").replace("model.", "gpt_neox.")


CLASSES = {"gpt_neox": "GPTNeoXForCausalLM", "llama": "LlamaForCausalLM", "phi3": "Phi3ForCausalLM", "gemma3_text": "Gemma3ForCausalLM"}


class Transformers:
    """transformers' model of a config, with the weights of mlx-lm's."""

    def __init__(self, config, model):
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        modules, weights = dict(model.named_modules()), {}
        for name, value in tree_flatten(model.parameters()):
            path, key = name.rsplit(".", 1)
            module = modules[path]
            if hasattr(module, "bits") and key in ("scales", "biases"):
                continue
            if hasattr(module, "bits") and key == "weight":
                value = mx.dequantize(value, module.scales, module.biases, module.group_size, module.bits, mode=module.mode)
            weights[neox_name(name) if config["model_type"] == "gpt_neox" else name] = value
        plain = {"pad_token_id": 0} | {k: v for k, v in config.items() if k != "quantization"}
        with tempfile.TemporaryDirectory() as folder:
            mx.save_safetensors(f"{folder}/model.safetensors", weights, metadata={"format": "pt"})
            pathlib.Path(folder, "config.json").write_text(json.dumps(plain | {"architectures": [CLASSES[config["model_type"]]]}))
            self.model, info = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
            )
        if wrong := {k: v for k, v in info.items() if v}:
            raise RuntimeError(f"transformers did not take the weights: {wrong}")
        self.model.eval()
        self.layers = self.model.gpt_neox.layers if config["model_type"] == "gpt_neox" else self.model.model.layers

    def forward(self, ids):
        """Logits [pos, vocab], and the output of each layer, as mlx arrays."""
        import torch

        seen = []
        hooks = [layer.register_forward_hook(lambda _, __, out: seen.append(out)) for layer in self.layers]
        with torch.no_grad():
            logits = self.model(torch.tensor([ids]), use_cache=False).logits
        for h in hooks:
            h.remove()
        seen = [x[0] if isinstance(x, tuple) else x for x in seen]
        return mx.array(logits[0].numpy()), [mx.array(x[0].numpy()) for x in seen]

    def greedy(self, ids, n):
        """What generate continues ids with, with its own cache."""
        import torch

        out = self.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=n, eos_token_id=None, pad_token_id=0
        )
        return out[0, len(ids) :].tolist()


def agreed(name, ours, theirs):
    """The difference as a part of the largest logit, which must not be above 1e-5."""
    apart = mx.max(mx.abs(ours - theirs)).item() / mx.max(mx.abs(theirs)).item()
    if not apart <= 1e-5:
        raise RuntimeError(f"{name}: mlx-lm and transformers are {apart:.2g} of the largest logit apart")
    return apart
