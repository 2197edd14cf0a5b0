"""The two judges of the families: mlx-lm and transformers, in float32 on a CPU."""

import json
import pathlib
import re
import tempfile

import mlx.core as mx
import numpy as np
from mlx.utils import tree_unflatten
from mlx_lm.models.cache import make_prompt_cache


def best_of(logits):
    """The likeliest id, and how far the next one is below."""
    values = np.array(logits, np.float64)
    order = np.argsort(-values, kind="stable")
    return int(order[0]), float(values[order[0]] - values[order[1]])


class MLXLM:
    """mlx-lm's model with float32 weights."""

    def __init__(self, model, weights):
        model.update(tree_unflatten(list(weights.items())))
        mx.eval(model.parameters())
        self.model = model

    def forward(self, ids, cache=None):
        """Logits [pos, vocab], and the output of each layer [pos, d_model]."""
        seen, plain = [], {}
        for cls in {type(layer) for layer in self.model.layers}:
            plain[cls] = cls.__call__

            def spy(layer, *args, _call=cls.__call__, **keys):
                out = _call(layer, *args, **keys)
                seen.append(out[0] if isinstance(out, tuple) else out)
                return out

            cls.__call__ = spy
        try:
            logits = self.model(mx.array([ids]), cache=cache)
            mx.eval(logits, seen)
        finally:
            for cls, call in plain.items():
                cls.__call__ = call
        return logits[0], [x[0] for x in seen]

    def greedy(self, ids, n):
        """n ids with its cache, and the smallest gap between the two best."""
        cache, feed, new, gap = make_prompt_cache(self.model), ids, [], float("inf")
        for _ in range(n):
            token, below = best_of(self.forward(feed, cache)[0][-1])
            new, gap, feed = [*new, token], min(gap, below), [token]
        return new, gap


def of_text(name):
    """A name in the file of a model that also sees, as the text model has it."""
    return re.sub(r"^(model\.language_model\.|language_model\.model\.)", "model.", name).removeprefix("language_model.")


class Transformers:
    """transformers' causal model of a config, with the tensors of a Hugging Face file; where it has
    none, the model that also sees, of which only what sees may be random."""

    def __init__(self, config, tensors):
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        with tempfile.TemporaryDirectory() as folder:
            named = {of_text(name) if config.get("of_wrapper") else name: value for name, value in tensors.items()}
            mx.save_safetensors(f"{folder}/model.safetensors", named, metadata={"format": "pt"})
            plain = {"pad_token_id": 0} | {k: v for k, v in config.items() if k != "of_wrapper"}
            pathlib.Path(folder, "config.json").write_text(json.dumps(plain))
            cls = self.class_of(folder)
            experts = {"experts_implementation": "eager"} if cls._can_set_experts_implementation() else {}  # the plain loop over them
            auto = AutoModelForCausalLM if "ForCausalLM" in cls.__name__ else AutoModelForImageTextToText
            self.model, info = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **experts)
        info["missing_keys"] = {k for k in info["missing_keys"] if not k.startswith("model.visual.")}
        if wrong := {k: v for k, v in info.items() if v}:
            raise RuntimeError(f"transformers did not take the weights: {wrong}")
        self.model.eval()
        self.layers = self.decoder_layers()

    @staticmethod
    def class_of(folder):
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

        kind = type(AutoConfig.from_pretrained(folder))
        return (MODEL_FOR_CAUSAL_LM_MAPPING if kind in MODEL_FOR_CAUSAL_LM_MAPPING else MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING)[kind]

    def decoder_layers(self):
        import torch

        for name, module in self.model.named_modules():
            if isinstance(module, torch.nn.ModuleList) and "visual" not in name and re.search(r"(^|\.)(layers|h|blocks)$", name):
                return module
        raise RuntimeError("transformers' model has no list of layers")

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
        """n ids of generate, with its own cache, and the smallest gap between the two best."""
        import torch

        out = self.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=n,
            eos_token_id=None, pad_token_id=0, output_logits=True, return_dict_in_generate=True,
        )
        best = [best_of(step[0].numpy()) for step in out.logits]
        new = out.sequences[0, len(ids) :].tolist()
        if new != [token for token, _ in best]:
            raise RuntimeError("generate does not take the likeliest token")
        return new, min(gap for _, gap in best)

    def greedy_of_whole(self, ids, n):
        """n ids, each of a pass over the whole sequence, and the smallest gap."""
        new, gap = [], float("inf")
        for _ in range(n):
            token, below = best_of(self.forward(ids + new)[0][-1])
            new, gap = [*new, token], min(gap, below)
        return new, gap


def apart(ours, theirs):
    """The largest difference, as a part of the largest number."""
    return mx.max(mx.abs(ours - theirs)).item() / mx.max(mx.abs(theirs)).item()
