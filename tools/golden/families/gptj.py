"""GPT-J. mlx-lm has no key for n_inner, activation_function and a tied head: they are set in its modules."""

from stand_ins import MLP, BiasOfTied, where_gelus_differ


def gptj(**keys):
    return {
        "model_type": "gptj", "n_embd": 64, "n_head": 2, "n_layer": 3, "n_positions": 128, "rotary_dim": 12, "layer_norm_epsilon": 1e-5,
        "vocab_size": 96, "activation_function": "gelu_new", "tie_word_embeddings": False,
    } | keys


CASES = {
    "gptj": gptj(),
    "gptj-whole-rotary-relu": gptj(n_head=4, rotary_dim=16, n_inner=96, activation_function="relu", layer_norm_epsilon=1e-3),
    "gptj-exact-tied": gptj(activation_function="gelu", tie_word_embeddings=True),
    "gptj-4bit": gptj(n_embd=128, n_layer=2, quantization={"group_size": 64, "bits": 4, "model.h.1.mlp.fc_out": {"group_size": 32, "bits": 8}}),
}
GELU = where_gelus_differ("model.h.0.mlp.fc_in", "model.h.0.mlp.fc_out")


def drawn(name, _module, _key, config):
    return None if "quantization" in config else GELU.get(name)


def adapt(model, config):
    if "n_inner" in config or config["activation_function"] != "gelu_new":
        for layer in model.layers:
            inner = config.get("n_inner", 4 * config["n_embd"])
            layer.mlp = MLP("fc_in", "fc_out", config["n_embd"], inner, config["activation_function"])
    if config["tie_word_embeddings"]:
        model.lm_head = BiasOfTied(model.model.wte, config["vocab_size"])


def rename(name, _shape, _config):
    return name.replace("model.", "transformer.", 1)


def extra(_config):
    return {"transformer.h.0.attn.bias": ("uint8", [1, 1, 8, 8]), "transformer.h.0.attn.masked_bias": ("float32", [])}
