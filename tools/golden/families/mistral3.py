"""Ministral 3, and Mistral 3, which wraps it or a Mistral beside what sees."""

COMMON = {
    "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "vocab_size": 96, "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "tie_word_embeddings": False, "hidden_act": "silu",
}
ROPE = {
    "type": "yarn", "rope_type": "yarn", "rope_theta": 1000000.0, "factor": 16.0, "original_max_position_embeddings": 16, "beta_fast": 32.0, "beta_slow": 1.0,
    "mscale_all_dim": 1.0, "mscale": 1.0, "llama_4_scaling_beta": 0.4,
}
MINISTRAL = COMMON | {"model_type": "ministral3", "rope_parameters": ROPE}
MISTRAL = COMMON | {"model_type": "mistral", "rope_theta": 100000.0}

CASES = {
    "ministral3": MINISTRAL,
    "ministral3-sliding": MINISTRAL | {"sliding_window": 16, "head_dim": 24, "tie_word_embeddings": True},
    "mistral3": {"model_type": "mistral3", "text_config": MISTRAL, "vision_config": {"model_type": "pixtral", "hidden_size": 16}},
    "mistral3-ministral": {"model_type": "mistral3", "tie_word_embeddings": False, "text_config": MINISTRAL, "vision_config": {"model_type": "pixtral", "hidden_size": 16}},
}
JUDGE = {"ministral3-sliding": "transformers"}  # mlx-lm slides by layer_types alone


def rename(name, shape, config):
    if "text_config" not in config:
        return name
    name = name.removeprefix("language_model.")
    return name if name.startswith("lm_head.") else name.replace("model.", "model.language_model.", 1)


def extra(config):
    return {"model.vision_tower.patch_conv.weight": ("float32", [4, 4]), "model.multi_modal_projector.norm.weight": ("float32", [4])} if "text_config" in config else {}
