"""Which hooks of TransformerLens' bridges are which sites of mlxlens (`mlxlens help sites`)."""

from __future__ import annotations

from dataclasses import dataclass

#: Hooks that a block's template decides on: the name where it has the component, and the name where not.
_BY_COMPONENT = {
    "resid_mid": ("ln2", "ln2.hook_in", "hook_resid_mid"),
    "attn_norm": ("ln1", "ln1.hook_out", None),
    "mlp_norm": ("ln2", "ln2.hook_out", None),
}

#: Hooks that are called the same in all architectures.
_IN_BLOCKS = {
    "resid_pre": "hook_in",
    "q": "attn.hook_q",
    "k": "attn.hook_k",
    "v": "attn.hook_v",
    "rot_q": "attn.hook_rot_q",
    "rot_k": "attn.hook_rot_k",
    "attn_scores": "attn.hook_attn_scores",
    "pattern": "attn.hook_pattern",
    "z": "attn.hook_z",
    "mlp_pre": "mlp.hook_pre",
    "mlp_pre_linear": "mlp.hook_pre_linear",
    "mlp_post": "mlp.hook_post",
    "resid_post": "hook_out",
}

_OUTSIDE = {
    "embed": "embed.hook_out",
    "pos_embed": "pos_embed.hook_out",
    "final_norm": "ln_final.hook_out",
}

#: Hooks in blocks that mlxlens has no site for, or one of other axes: what a norm computes before its gain, its
#: divisor, and normed queries and keys, whose heads come before their positions.
_NO_SITE = (
    "ln1.hook_normalized",
    "ln1.hook_scale",
    "ln2.hook_normalized",
    "ln2.hook_scale",
    "attn.hook_q_normed",
    "attn.hook_k_normed",
    "attn.hook_result",
)

#: The same outside: unembed.hook_out is before a cap on logits or a factor, and mlxlens' logits are after it.
_NO_SITE_OUTSIDE = ("ln_final.hook_normalized", "ln_final.hook_scale", "unembed.hook_out")


@dataclass(frozen=True)
class Place:
    """A site of mlxlens in a layer, or outside the blocks (layer None)."""

    site: str
    layer: int | None = None

    def __str__(self) -> str:
        return self.site if self.layer is None else f"layers.{self.layer}.{self.site}"


def hooks(info: dict, block: dict) -> dict[str, Place]:
    """Hook names and the places that they are, of a model as `info` describes it.

    block holds the components of a block of the architecture's adapter.
    """
    has = {text.removeprefix("layers.N.") for text in info["sites"]}
    lacks = {(entry["site"], layer) for entry in info["lacks"] for layer in entry.get("layers", ())}
    names = {name: Place(site) for site, name in _OUTSIDE.items() if site in has}
    for site, name in _block_names(has, block).items():
        for layer in range(info["shape"]["layers"]):
            if (site, layer) not in lacks:
                names[f"blocks.{layer}.{name}"] = Place(site, layer)
    return names


def _block_names(has: set[str], block: dict) -> dict[str, str]:
    names = {site: name for site, name in _IN_BLOCKS.items() if site in has}
    for site, (component, name, without) in _BY_COMPONENT.items():
        name = name if component in block else without
        if site in has and name:
            names[site] = name
    for part, post in (("attn", "ln1_post"), ("mlp", "ln2_post")):
        if f"{part}_raw" not in has:  # nothing is between the output and the stream
            names[f"{part}_out"] = f"{part}.hook_out"
            continue
        names[f"{part}_raw"] = f"{part}.hook_out"
        names[f"{part}_out"] = f"{post}.hook_out" if post in block else f"hook_{part}_out"
    return {site: name for site, name in names.items() if site in has}


def without_site(layers: int) -> frozenset[str]:
    """Hooks that bridges have and mlxlens has no site for, to be refused by name."""
    names = {f"blocks.{layer}.{name}" for layer in range(layers) for name in _NO_SITE}
    return frozenset(names.union(_NO_SITE_OUTSIDE))


def width(place: Place, shape: dict) -> tuple[int, ...] | None:
    """The sizes of a site's axes behind the positions', None where the last counts keys."""
    if place.site in ("attn_scores", "pattern"):
        return None
    d_value = shape.get("d_value") or shape["d_head"]
    heads, kv_heads = shape["heads"], shape["kv_heads"]
    return {
        "q": (heads, shape["d_head"]),
        "rot_q": (heads, shape["d_head"]),
        "k": (kv_heads, shape["d_head"]),
        "rot_k": (kv_heads, shape["d_head"]),
        "v": (kv_heads, d_value),
        "z": (heads, d_value),
        "mlp_pre": (shape["d_mlp"],),
        "mlp_pre_linear": (shape["d_mlp"],),
        "mlp_post": (shape["d_mlp"],),
        "logits": (shape["d_vocab"],),
    }.get(place.site, (shape["d_model"],))
