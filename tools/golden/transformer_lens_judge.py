"""TransformerLens as the judge, of tiny random models of testdata/golden/architectures. It needs
transformer-lens 4.3.0 and transformers, and no network; no weight is folded or centred."""

import gzip
import importlib.metadata
import json
import pathlib

import tokenizers
import torch
import transformers
from drawn import floats
from transformer_lens.model_bridge import TransformerBridge

GOLDEN = pathlib.Path(__file__).parents[2] / "testdata" / "golden"
MODELS = ("gpt2", "llama", "gpt-neox")
VERSIONS = {p: importlib.metadata.version(p) for p in ("transformer-lens", "transformers", "torch")}


def case_of(name):
    return json.load(gzip.open(GOLDEN / "architectures" / f"{name}.json.gz"))


def hf_name(kind, name):
    """The name that Hugging Face's model has for mlx-lm's."""
    if kind == "gpt_neox":
        return "lm_head.weight" if "embed_out" in name else name.replace("model.", "gpt_neox.", 1).replace(".h.", ".layers.", 1)
    if kind == "gpt2":
        return name.replace("model.", "transformer.", 1)
    return name


def hf_model(case):
    """transformers' model, with the weights that the case's rule draws."""
    config = transformers.AutoConfig.for_model(**case["config"] | {"bos_token_id": 0, "eos_token_id": 0})
    config.architectures = {"gpt2": ["GPT2LMHeadModel"], "llama": ["LlamaForCausalLM"], "gpt_neox": ["GPTNeoXForCausalLM"]}[config.model_type]
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    weights = {}
    for name, _, shape, center, amplitude in case["tensors"]:
        w = torch.tensor(floats(name, shape, center, amplitude))
        if config.model_type == "gpt2" and w.ndim == 2 and ".h." in name:
            w = w.T.contiguous()
        weights[hf_name(config.model_type, name)] = w
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or [m for m in missing if "lm_head" not in m and "inv_freq" not in m]:
        raise RuntimeError(f"{case['name']}: {missing} are missing, {unexpected} unknown")
    model.tie_weights()
    return model.eval()


def judge(case):
    """TransformerLens' bridge to transformers' model, and that model."""
    model = hf_model(case)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({str(i): i for i in range(model.config.vocab_size)}, unk_token="0"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token="0", eos_token="0", pad_token="0")
    tokenizer.init_kwargs |= {"name_or_path": case["name"], "add_bos_token": True}
    return TransformerBridge.boot_transformers(case["name"], hf_model=model, tokenizer=tokenizer), model


def write(name, document):
    with gzip.GzipFile(GOLDEN / f"{name}.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps(document, separators=(",", ":")).encode())
