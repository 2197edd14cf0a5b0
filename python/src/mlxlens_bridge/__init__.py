"""Drives TransformerLens 4.x's RemoteBridge by `mlxlens serve`: models of mlx-community in notebooks.

    import mlxlens_bridge
    bridge = mlxlens_bridge.boot("mlx-community/Llama-3.2-1B-Instruct-4bit")
    logits, cache = bridge.run_with_cache("The capital of France is")
"""

from __future__ import annotations

from typing import Any

try:
    import torch
    from transformer_lens.factories.architecture_adapter_factory import ArchitectureAdapterFactory
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf, configure_tokenizer
    from transformer_lens.model_bridge.sources._hf_format import determine_architecture_from_hf_config
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
except ModuleNotFoundError as lacking:
    raise ModuleNotFoundError(
        f"mlxlens_bridge needs PyTorch and TransformerLens 4.3 or later, and {lacking.name} is not there: "
        'pip install "mlxlens[transformer-lens]"',
        name=lacking.name,
    ) from lacking

from .client import Client, Server, ServerError
from .driver import Bridge, Driver

__all__ = ["boot", "connect", "Bridge", "Client", "Driver", "Server", "ServerError"]

#: What `mlxlens info` calls a model that has neither a config.json nor a tokenizer.json beside it.
GGUF = "GGUF"


def boot(model: str, *, program: str | None = None, arguments: tuple[str, ...] = (), **options: Any) -> Bridge:
    """Starts a server of a model (a directory, a .gguf file or a name on the hub), which ends with the bridge.

    program is the program mlxlens, where it is not in PATH; arguments are more flags of `mlxlens serve`, such
    as ("--yes",); options are those of connect.
    """
    server = Server(model, program, arguments)
    try:
        return connect(server.address, server=server, **options)
    except BaseException:
        server.close()
        raise


def connect(address: str, *, token: str | None = None, config: Any = None, tokenizer: Any = None, server: Server | None = None) -> Bridge:
    """A bridge to a server that runs.

    config, of transformers, and tokenizer are read from the model that the server has, where it is a directory or
    a name on the hub that this machine has too. Of a .gguf file the config is made of what the server says, and
    the tokenizer is the server's.
    """
    client = Client(address, token)
    info = client.info()
    config = _config(info) if config is None else AutoConfig.from_pretrained(config) if isinstance(config, str) else config
    architecture = determine_architecture_from_hf_config(config)
    bridge_config = build_bridge_config_from_hf(config, architecture, info["ref"], torch.float32)
    adapter = ArchitectureAdapterFactory.select_architecture_adapter(bridge_config)
    if tokenizer is None and info["tokenizer"] and info["format"] != GGUF:
        tokenizer = AutoTokenizer.from_pretrained(info["ref"])
    if tokenizer is not None:
        tokenizer = configure_tokenizer(tokenizer, adapter.cfg)
    return Bridge(adapter, tokenizer, Driver(client, info, adapter, tokenizer, server))


def _config(info: dict[str, Any]) -> Any:
    if info["format"] != GGUF:
        return AutoConfig.from_pretrained(info["ref"])
    shape = info["shape"]
    return AutoConfig.for_model(
        info["type"],
        architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[info["type"]]],
        hidden_size=shape["d_model"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        head_dim=shape["d_head"],
        intermediate_size=shape["d_mlp"],
        vocab_size=shape["d_vocab"],
        max_position_embeddings=shape["n_ctx"],
    )
