"""Packs a Llama of a GGUF file anew, as an MLX folder: the weights that `mlxlens audit` is shown with.

    repack.py MODEL.gguf OUT --bits 3 --group 64 [--embed-bits 8]

The unpacked weights are those of the file, so that an 8-bit packing of a Q4_1 file is as good as the
file, and a 3-bit one is worse. Norms stay as they are.
"""

import argparse
import json
import pathlib

import mlx.core as mx
from gguf import GGUFReader
from gguf.quants import dequantize

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}


def name_of(name):
    if name.startswith("blk."):
        _, layer, kind, _ = name.split(".")
        return f"model.layers.{layer}.{NAMES[kind]}.weight"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}[name]


def halves(w, heads):
    """Undoes llama.cpp's order of the rows of q and k: neighbouring pairs become the halves of a head."""
    out, in_ = w.shape
    return w.reshape(heads, out // heads // 2, 2, in_).swapaxes(1, 2).reshape(out, in_)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    p.add_argument("out")
    p.add_argument("--bits", type=int, required=True)
    p.add_argument("--group", type=int, required=True)
    p.add_argument("--embed-bits", type=int)
    o = p.parse_args()
    reader = GGUFReader(o.file)
    of = lambda key: reader.fields["llama." + key].contents()
    heads, kv = of("attention.head_count"), of("attention.head_count_kv")
    weights, modules = {}, {}
    for t in reader.tensors:
        w, name = dequantize(t.data, t.tensor_type), name_of(t.name)
        if ".attn_q." in t.name or ".attn_k." in t.name:
            w = halves(w, heads if ".attn_q." in t.name else kv)
        w = mx.array(w)
        if w.ndim == 1:
            weights[name] = w
            continue
        module, bits = name.removesuffix(".weight"), o.bits
        if module in ("model.embed_tokens", "lm_head") and o.embed_bits:
            bits = o.embed_bits
            modules[module] = {"group_size": o.group, "bits": bits}
        weights[name], weights[module + ".scales"], weights[module + ".biases"] = mx.quantize(w, group_size=o.group, bits=bits)
    out = pathlib.Path(o.out)
    out.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(out / "model.safetensors"), weights, metadata={"format": "mlx"})
    config = {
        "model_type": "llama", "hidden_size": of("embedding_length"), "intermediate_size": of("feed_forward_length"), "num_hidden_layers": of("block_count"),
        "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": weights["model.embed_tokens.weight"].shape[0],
        "rms_norm_eps": of("attention.layer_norm_rms_epsilon"), "rope_theta": of("rope.freq_base"), "max_position_embeddings": of("context_length"),
        "tie_word_embeddings": "lm_head.weight" not in weights, "quantization": {"group_size": o.group, "bits": o.bits, **modules},
    }
    (out / "config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    main()
