"""How Hugging Face's files lay out the parameters of mlx-lm's modules.

A rule makes one tensor of a file: {"name", "parts"} and, where they are needed, what follows.
Each part is {"of"}, the name of mlx-lm's parameter, of which are taken, in this order,
  "index"    one element of the first axis, which goes away: an expert of a stack;
  "rows"     [from, to) of the first axis that is left;
  "permute"  the axes in this order.
Several parts are joined along
  "axis"     (0 if absent), one behind the other, or, if "interleaved", in turn, element by
             element of the axis.
Of the result
  "type"     reads the bytes as another type, which changes the last axis;
  "shape"    is the shape that it gets;
  "plus"     is a number added to each element: -1 where mlx-lm stores a gain as 1 + w.
A rule without parts is a tensor of zeros of "type" and "shape" that mlx-lm drops.

A family's rename(name, shape, config) says where a parameter goes: a name; or a list of
(name of a file's tensor, keys of its part and of the rule). "order" sorts the parts of a rule.
"""

import mlx.core as mx

PART = ("index", "rows", "permute")
RULE = ("axis", "interleaved", "type", "shape", "plus")


def each_expert(pattern, shape, **keys):
    """A stack [expert, out, in] as one tensor for each expert, {} in pattern standing for it."""
    return [(pattern.format(e), {"index": e} | keys) for e in range(shape[0])]


def fused(name, order, axis=1, **keys):
    """Part number order of a tensor of several matrices, joined along an axis."""
    return [(name, {"order": order, "axis": axis} | keys)]


def with_tied_head(name, tied):
    """The embedding a second time as the head, as files of tied models may have it."""
    return [(name, {}), ("lm_head.weight", {})] if tied and name == "model.embed_tokens.weight" else name


def rules_of(rename, shapes, config):
    """The rules of all tensors, by what rename says of each parameter."""
    rules, orders = {}, {}
    for name, shape in shapes.items():
        to = rename(name, shape, config)
        for file, keys in [(to, {})] if isinstance(to, str) else to:
            if unknown := set(keys) - {*PART, *RULE, "order"}:
                raise ValueError(f"{name}: rename says {unknown}")
            rule = rules.setdefault(file, {"name": file, "parts": []})
            rule |= {k: keys[k] for k in RULE if k in keys}
            rule["parts"].append({"of": name} | {k: keys[k] for k in PART if k in keys})
            orders.setdefault(file, []).append(keys.get("order", len(orders.get(file, ()))))
    for file, rule in rules.items():
        in_order = sorted(range(len(rule["parts"])), key=orders[file].__getitem__)
        rule["parts"] = [rule["parts"][i] for i in in_order]
    return list(rules.values())


def laid_out(rules, weights):
    """The tensors of a file."""
    return {rule["name"]: made(rule, weights) for rule in rules}


def made(rule, weights):
    dtype = getattr(mx, rule["type"]) if "type" in rule else None
    if not rule["parts"]:
        return mx.zeros(rule["shape"], dtype)
    parts, axis = [taken(weights[p["of"]], p) for p in rule["parts"]], rule.get("axis", 0)
    if rule.get("interleaved"):
        x = mx.flatten(mx.stack(parts, axis + 1), axis, axis + 1)
    else:
        x = mx.concatenate(parts, axis)
    if dtype is not None:
        x = mx.view(mx.contiguous(x), dtype)
    if "shape" in rule:
        x = x.reshape(rule["shape"])
    return x + rule["plus"] if "plus" in rule else x


def taken(x, part):
    if "index" in part:
        x = x[part["index"]]
    if "rows" in part:
        x = x[slice(*part["rows"])]
    return x.transpose(part["permute"]) if "permute" in part else x
