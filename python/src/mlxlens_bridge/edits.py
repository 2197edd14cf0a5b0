"""Interventions of TransformerLens' remote bridges, as edits of mlxlens (`mlxlens help edits`)."""

from __future__ import annotations

import json
from typing import Any, Mapping

import numpy as np

from .sites import Place, width

#: What each operation takes beside pos and heads.
OPS = {
    "suppress": (),
    "zero": (),
    "scale": ("factor",),
    "add": ("value",),
    "set": ("value",),
    "project_out": ("value",),
}


def edits(intervene: Mapping[str, Any], places: Mapping[str, Place], shape: dict) -> list[str]:
    """The edits of interventions, {hook name: spec or list of specs}, in their order."""
    texts = []
    for hook, specs in intervene.items():
        if hook not in places:
            raise ValueError(f"intervene on {hook!r}: it is none of this bridge's hooks, which are bridge.places")
        for spec in specs if isinstance(specs, (list, tuple)) else [specs]:
            texts.append(_edit(hook, spec, places[hook], shape))
    return texts


def _edit(hook: str, spec: Any, place: Place, shape: dict) -> str:
    if callable(spec):
        raise NotImplementedError(
            f"intervene on {hook!r}: a function cannot be sent to mlxlens; give a spec such as {{'op': 'scale', 'factor': 0.5}} (ops: {', '.join(OPS)})"
        )
    if not isinstance(spec, Mapping) or spec.get("op") not in OPS:
        raise ValueError(f"intervene on {hook!r}: want a dict with an 'op' of {', '.join(OPS)}, and it is {spec!r:.200}")
    op = spec["op"]
    wants = OPS[op]
    missing = [key for key in wants if key not in spec]
    unknown = [key for key in spec if key not in ("op", "pos", "heads", *wants)]
    if missing or unknown:
        raise ValueError(
            f"intervene on {hook!r}: {op} takes {', '.join((*wants, 'pos', 'heads'))}"
            + (f", and {', '.join(missing)} is not there" if missing else f", and no {', '.join(map(str, unknown))}")
        )
    where = str(place) + _selection(hook, "@", spec, "pos") + _selection(hook, "#", spec, "heads")
    if op in ("suppress", "zero"):
        return where + "=zero"
    if op == "scale":
        return f"{where}=scale:{float(spec['factor'])!r}"
    return f"{where}={op.replace('_', '-')}:{_numbers(hook, op, spec['value'], place, shape)}"


def _selection(hook: str, mark: str, spec: Mapping[str, Any], key: str) -> str:
    """Positions or heads: a whole number, or several."""
    chosen = spec.get(key)
    if chosen is None:
        return ""
    several = list(chosen) if isinstance(chosen, (list, tuple, range, np.ndarray)) else [chosen]
    if not several or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in several):
        raise ValueError(f"intervene on {hook!r}: {key} wants a whole number or a list of them, and it is {chosen!r:.200}")
    return mark + ",".join(str(int(n)) for n in several)


def _numbers(hook: str, op: str, value: Any, place: Place, shape: dict) -> str:
    """A value as JSON: a number stands for a vector of it; an axis of a batch of one is left out."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    array = np.asarray(value, dtype=np.float32)
    sizes = width(place, shape)
    if array.ndim == 0:
        if sizes is None or op == "project_out":
            raise ValueError(f"intervene on {hook!r}: {op} wants an array here, and no single number")
        array = np.full(sizes[-1], array)
    full = 4 if sizes is None else len(sizes) + 2  # with the batch
    if array.ndim == full and array.shape[0] == 1:
        array = array[0]
    if not np.isfinite(array).all():
        raise ValueError(f"intervene on {hook!r}: the value has numbers that are not finite")
    return json.dumps(array.astype(np.float64).tolist(), separators=(",", ":"))
