#!/usr/bin/env python3
"""Write the GGUF file of `make model` as a directory that mlx-lm opens, for peers.py.

    python smollm2.py MODEL.gguf OUTPUT_DIR

mlx reads Q4_1 as affine 4-bit in groups of 32, without loss. llama.cpp interleaves the
rows of Llama's queries and keys; they are put back, packed as they are. Without a
tokenizer: peers.py feeds ids.
"""

import json
import pathlib
import sys

import mlx.core as mx

PARTS = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def renamed(name):
    module, parameter = name.rsplit(".", 1)
    if module in ENDS:
        return f"{ENDS[module]}.{parameter}"
    _, layer, part = module.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.{parameter}"


def main():
    arrays, meta = mx.load(sys.argv[1], return_metadata=True)

    def number(key):
        value = meta[f"llama.{key}"]
        return value.item() if isinstance(value, mx.array) else value

    heads, kv_heads = number("attention.head_count"), number("attention.head_count_kv")
    weights = {}
    for name, x in arrays.items():
        part = name.split(".")[-2]
        if part in ("attn_q", "attn_k"):
            n = heads if part == "attn_q" else kv_heads
            x = x.reshape(n, x.shape[0] // n // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)
        weights[renamed(name)] = x
    vocab, _ = weights["model.embed_tokens.weight"].shape
    quantization = {"group_size": 32, "bits": 4}
    for name, x in weights.items():
        path, parameter = name.rsplit(".", 1)
        if parameter == "scales" and weights[f"{path}.weight"].shape[-1] * 4 == x.shape[-1] * 32:
            quantization[path] = {"group_size": 32, "bits": 8}  # Q8_0
    config = {
        "model_type": "llama", "hidden_size": number("embedding_length"), "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"), "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "vocab_size": vocab, "rms_norm_eps": float(f"{number('attention.layer_norm_rms_epsilon'):.7g}"),
        "rope_theta": number("rope.freq_base"), "max_position_embeddings": number("context_length"),
        "tie_word_embeddings": "lm_head.weight" not in weights, "quantization": quantization,
    }
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(out / "model.safetensors"), weights, metadata={"format": "mlx"})
    (out / "config.json").write_text(json.dumps(config, indent=2))


if __name__ == "__main__":
    main()
