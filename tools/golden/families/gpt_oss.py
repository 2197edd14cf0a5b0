"""gpt-oss: sinks, windows in every other layer, experts with biases."""

from layout import fused

GPT_OSS = {
    "model_type": "gpt_oss", "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "num_local_experts": 6, "num_experts_per_tok": 2, "vocab_size": 96, "sliding_window": 16, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 256, "tie_word_embeddings": False, "rope_theta": 150000,
}
YARN = {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "original_max_position_embeddings": 64}
EXPERTS = {f"model.layers.{l}.mlp.experts.{m}": {"group_size": 32, "bits": 4, "mode": "mxfp4"} for l in range(4) for m in ("gate_proj", "up_proj", "down_proj")}
PACKED = {"group_size": 64, "bits": 8} | EXPERTS | {f"model.layers.{l}.mlp.router": False for l in range(4)}

CASES = {
    "gpt-oss": GPT_OSS | {"rope_scaling": YARN | {"truncate": True}},
    "gpt-oss-rope-whole": GPT_OSS | {"rope_scaling": YARN | {"truncate": False}, "layer_types": ["full_attention", "sliding_attention"] * 2},
    "gpt-oss-default-rope": {k: v for k, v in GPT_OSS.items() if k != "rope_theta"},
    "gpt-oss-swiglu": GPT_OSS | {"rope_scaling": YARN | {"truncate": True}, "swiglu_alpha": 2.5, "swiglu_limit": 0.8, "attention_bias": False, "num_experts_per_tok": 1},
    "gpt-oss-mxfp4": GPT_OSS | {"rope_scaling": YARN | {"truncate": True}, "quantization": PACKED},
}
# mlx-lm floors and ceils yarn's ends whatever truncate says, has no yarn by default, and fixes the activation and the biases
JUDGE = {"gpt-oss-rope-whole": "transformers", "gpt-oss-default-rope": "transformers", "gpt-oss-swiglu": "transformers"}
SANITIZED = False  # mlx-lm reads Hugging Face's experts as MXFP4 alone


def drawn(name, module, key, config):
    if name.endswith("mlp.router.weight"):
        return 0.0, 0.6
    if "experts" in name and key == "weight":
        return 0.0, 0.5  # some are beyond the limit
    return False if key == "bias" and config.get("attention_bias") is False and "self_attn" in name else None


def adapt(model, config):
    if config.get("attention_bias") is False:
        for layer in model.layers:
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                del layer.self_attn[name]["bias"]


def rename(name, shape, config):
    path, at, rest = name.partition(".experts.")
    if not at:
        return name
    matrix, _, key = rest.partition(".")
    ending = "_bias" if key == "bias" else ""
    keys = {} if key == "bias" else {"permute": [0, 2, 1]}
    if matrix == "down_proj":
        return [(f"{path}.experts.down_proj{ending}", keys)]
    axis = 1 if key == "bias" else 2
    return fused(f"{path}.experts.gate_up_proj{ending}", {"gate_proj": 0, "up_proj": 1}[matrix], axis=axis, interleaved=True, **keys)
