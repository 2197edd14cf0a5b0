"""Recording of the families: one file each in this folder, <family>.py, with

  CASES = {name: config.json}

and, where the family needs it,

  drawn(name, module, key, config)     (center, amplitude) of a parameter of mlx-lm's, None for
                                       the usual ones, False for what is no parameter
  adapt(model, config)                 sets in mlx-lm's modules what mlx-lm has no key for
  mlx_config(config)                   the config that mlx-lm's class is given
  rename(name, shape, config)          where a parameter of mlx-lm's goes in Hugging Face's
                                       file; layout.py has its form. Default: the same name
  extra(config)                        {name: (type, shape)} of tensors that published files
                                       have, and that mlx-lm drops
  to_transformers(config)              the config that transformers' text class is given.
                                       Default: text_config if there is one, else config
  hf_config(config)                    config.json beside Hugging Face's layout, where it is not
                                       the one beside mlx-lm's
  JUDGE = {name: "transformers"}       cases that mlx-lm computes otherwise, or not at all; of
                                       the others both judges must agree
  TOLERANCE = 3e-5                     how far, as a part of the largest logit; default 1e-5
  WHOLE = {name}                       cases that transformers continues otherwise with its cache: the
                                       greedy ids are those of passes over the whole sequence
  SANITIZED = False                    mlx-lm's sanitize does not read the Hugging Face layout
  HF_PACKED = True                     packed cases have a Hugging Face layout too: rename is asked
                                       for scales and words where config has a quantization, and
                                       for the unpacked weights where it has none

A packed case is judged with its weights unpacked: mlx-lm's packed experts do not run on MLX 0.32.2.
The numbers are transformers'.
"""

import importlib
import importlib.metadata
import pathlib

import mlx.core as mx
from case import digits, norms, packed_rule, positions, prompt, rows
from drawn import drawn
from judges import MLXLM, Transformers, apart
from layout import laid_out, rules_of
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes


def cases():
    """{name of a case: its family's module} of all files in this folder."""
    found = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("[a-z]*.py")):
        family = importlib.import_module(f"families.{path.stem}")
        for name in family.CASES:
            if name in found:
                raise ValueError(f"two families have a case {name}")
            found[name] = family
    return found


def text_of(config):
    return config.get("text_config", config)


def usual_rule(path, key, value):
    """Center and amplitude of a parameter that its family has no rule for."""
    if key == "A_log":  # decay of some hundredths to a third a step
        return -1.5, 1.0
    if key in ("dt_bias", "D"):
        return 0.0, 1.0
    if "sinks" in key:
        return 0.0, 1.0
    if "conv" in path and key == "weight":
        return 0.0, 0.8
    if value.ndim <= 1:
        return (1.0, 0.3) if key == "weight" else (0.0, 0.2)
    if "embed" in path or "wte" in path or "lm_head" in path:
        return 0.0, 0.5
    return 0.0, round(2.2 / value.shape[-1] ** 0.5, 4)


def packing_of(path, module, config):
    """Group size, bits and mode of a module's weight, None where it is not packed."""
    q = config.get("quantization")
    if not q or not hasattr(module, "to_quantized"):
        return None
    own = q.get(path, q)
    return own and (own["group_size"], own["bits"], own.get("mode", "affine"))


def packed_tensors(path, shape, packing, config):
    """The tensors in place of a weight [..., in]."""
    group, bits, mode = packing
    if shape[-1] % group:
        raise ValueError(f"{path}: {shape[-1]} columns are no groups of {group}")
    groups = [*shape[:-1], shape[-1] // group]
    kind = config.get("dtype", "float16") if mode == "affine" else "uint8"
    tensors = [("weight", "uint32", [*shape[:-1], shape[-1] * bits // 32]), ("scales", kind, groups)]
    if mode == "affine":
        tensors.append(("biases", kind, groups))
    return [[f"{path}.{key}", dtype, dims, *packed_rule(key, bits, mode)] for key, dtype, dims in tensors]


def tensors_of(family, model, config):
    """Name, type, shape, center and amplitude of each tensor; {path: how a weight is packed}."""
    modules, tensors, packed = dict(model.named_modules()), [], {}
    for name, value in tree_flatten(model.parameters()):
        path, _, key = name.rpartition(".")
        own = family.drawn(name, modules.get(path), key, config) if hasattr(family, "drawn") else None
        if own is False:
            continue
        packing = key == "weight" and packing_of(path, modules.get(path), config)
        if packing:
            packed[path] = packing
            tensors += packed_tensors(path, value.shape, packing, config)
        else:
            tensors.append([name, config.get("dtype", "float32"), list(value.shape), *(own or usual_rule(path, key, value))])
    return tensors, packed


def unpacked(stored, packed):
    """The same weights in float32."""
    weights = {}
    for name, value in stored.items():
        path, _, key = name.rpartition(".")
        if path not in packed or key not in ("weight", "scales", "biases"):
            weights[name] = value
        elif key == "weight":
            group, bits, mode = packed[path]
            scales, biases = stored[f"{path}.scales"], stored.get(f"{path}.biases")
            weights[name] = mx.dequantize(value, scales, biases, group, bits, mode=mode).astype(mx.float32)
    return weights


def mlx_model(family, config):
    plain = {k: v for k, v in config.items() if k not in ("quantization", "dtype")}
    if hasattr(family, "mlx_config"):
        plain = family.mlx_config(plain)
    model_class, args_class = _get_classes(plain)
    model = model_class(args_class.from_dict(plain))
    if hasattr(family, "adapt"):
        family.adapt(model, config)
    return model


def transformers_config(family, config):
    plain = {k: v for k, v in config.items() if k not in ("quantization", "dtype")}
    if hasattr(family, "to_transformers"):
        return family.to_transformers(plain)
    if "text_config" not in plain:
        return plain
    outer = {k: plain[k] for k in ("tie_word_embeddings", "vocab_size") if k in plain}
    return outer | plain["text_config"] | {"of_wrapper": True}


def check_sanitize(model, tensors, extra, weights):
    """mlx-lm must make of Hugging Face's layout the weights that it was made of."""
    if not hasattr(model, "sanitize"):
        return
    got = dict(model.sanitize(dict(tensors) | {name: mx.zeros(shape) for name, (_, shape) in extra.items()}))
    if wrong := set(got) ^ set(weights):
        raise RuntimeError(f"mlx-lm's sanitize makes other parameters of Hugging Face's layout: {sorted(wrong)}")
    for name, value in weights.items():
        equal = got[name].shape == value.shape and (
            mx.allclose(got[name], value, rtol=0, atol=1e-6) if mx.issubdtype(value.dtype, mx.floating) else mx.array_equal(got[name], value)
        )
        if not equal:
            raise RuntimeError(f"mlx-lm's sanitize makes another {name} of Hugging Face's layout")


def renaming(family):
    return getattr(family, "rename", lambda name, *_: name)


def plain_rules(family, config, weights):
    """How Hugging Face's file of the unpacked weights is laid out."""
    return rules_of(renaming(family), {k: v.shape for k, v in weights.items()}, {k: v for k, v in config.items() if k != "quantization"})


def transformers_of(family, name):
    """transformers' model of a case."""
    config = family.CASES[name]
    tensors, packed = tensors_of(family, mlx_model(family, config), config)
    weights = unpacked({t[0]: drawn(*t) for t in tensors}, packed)
    return Transformers(transformers_config(family, config), laid_out(plain_rules(family, config, weights), weights))


def record(family, name):
    config = family.CASES[name]
    vocab, tolerance = text_of(config)["vocab_size"], getattr(family, "TOLERANCE", 1e-5)
    alone = getattr(family, "JUDGE", {}).get(name, "both") == "transformers"
    model = mlx_model(family, config)
    tensors, packed = tensors_of(family, model, config)
    stored = {t[0]: drawn(*t) for t in tensors}
    weights = unpacked(stored, packed)
    rename, rules = renaming(family), plain_rules(family, config, weights)
    extra = family.extra(config) if hasattr(family, "extra") else {}
    in_file = laid_out(rules, weights)
    if getattr(family, "SANITIZED", True):
        check_sanitize(model, in_file, extra, weights)
    theirs, ours, worst = Transformers(transformers_config(family, config), in_file), MLXLM(model, weights), 0.0
    runs = []
    for n in (1, 7, 60):
        ids, at = prompt(name, n, vocab), positions(n)
        logits, layers = theirs.forward(ids)
        worst = max(worst, difference(ours, ids, logits, layers, alone))
        runs.append({"ids": ids, "positions": at, "logits": rows(logits, at), "norms": norms(layers)})
    print(f"{name}: mlx-lm and transformers are {worst:.1e} of the largest logit apart")
    if not alone and not worst <= tolerance:
        raise RuntimeError(f"{name}: that is more than {tolerance}")
    case = {
        "schema": "mlxlens-golden/architecture/1", "name": name, "config": config, "tensors": tensors, "runs": runs,
        "greedy": greedy(name, vocab, theirs, None if alone else ours, name in getattr(family, "WHOLE", ())),
        "judges": {j: importlib.metadata.version(j) for j in (["transformers"] if alone else ["transformers", "mlx-lm"])},
    }
    if not alone:
        case["apart"] = digits(worst, 2)
    if not packed or getattr(family, "HF_PACKED", False):
        own = rules
        if packed:
            own = rules_of(rename, {t[0]: t[2] for t in tensors}, config)
            check_sanitize(model, laid_out(own, stored), extra, stored)
        case["hf"] = own + [{"name": k, "parts": [], "type": kind, "shape": list(shape)} for k, (kind, shape) in extra.items()]
        if hasattr(family, "hf_config"):
            case["hf_config"] = family.hf_config(config)
    return case


def difference(ours, ids, logits, layers, alone):
    """How far mlx-lm's logits and layers are from transformers'."""
    try:
        own, own_layers = ours.forward(ids)
    except Exception as wrong:
        if not alone:
            raise
        print(f"mlx-lm does not compute it: {wrong}")
        return float("nan")
    if len(own_layers) != len(layers):
        raise RuntimeError(f"mlx-lm has {len(own_layers)} layers, transformers {len(layers)}")
    return max(apart(own, logits), *(apart(a, b) for a, b in zip(own_layers, layers)))


def greedy(name, vocab, theirs, ours, whole):
    """24 tokens of transformers with its cache, or without; passes over the whole, and mlx-lm with
    its own cache, must give them too."""
    ids = prompt(name, 20, vocab)
    new, gap = theirs.greedy_of_whole(ids, 24) if whole else theirs.greedy(ids, 24)
    at_once = theirs.forward(ids + new[:-1])[0][len(ids) - 1 :]
    if mx.argmax(at_once, axis=-1).tolist() != new:
        raise RuntimeError(f"{name}: transformers continues otherwise without its cache")
    if ours and ours.greedy(ids, 24)[0] != new:
        raise RuntimeError(f"{name}: mlx-lm continues otherwise")
    return {"ids": ids, "new_ids": new, "smallest_gap": digits(gap, 4)}
