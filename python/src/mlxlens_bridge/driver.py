"""The driver, and a bridge that refuses what a remote model cannot do."""

from __future__ import annotations

import warnings
from typing import Any, Mapping

import numpy as np
import torch
from transformer_lens.model_bridge import RemoteBridge
from transformer_lens.model_bridge.driver_protocol import ForwardResult, to_torch
from transformer_lens.model_bridge.sources._driver_base import DriverBase

from .client import Client, Server
from .edits import edits
from .sites import Place, hooks, width, without_site

#: Bytes of arrays that one request asks for, of the 256 MiB that a server keeps.
PER_REQUEST = 128 << 20


class Driver(DriverBase):
    """Runs forward passes by `mlxlens serve`. Arrays are float32, with an axis of the batch."""

    def __init__(self, client: Client, info: dict, adapter: Any, tokenizer: Any, server: Server | None = None) -> None:
        super().__init__(adapter.cfg, tokenizer)
        self.client, self.info, self._server = client, info, server
        self.places = hooks(info, adapter.component_mapping["blocks"].submodules)
        self.supported_hook_points = frozenset(self.places)
        self.non_fireable_hook_points = without_site(info["shape"]["layers"]) - self.supported_hook_points

    def forward(
        self,
        input_ids: Any = None,
        *,
        capture: tuple[str, ...] = (),
        intervene: Mapping[str, Any] | None = None,
        max_new_tokens: int = 1,
        return_logits: bool = True,
        attention_mask: Any = None,
        output_attentions: bool | None = None,  # run_with_cache says so; patterns are hooks of their own here
        **unknown: Any,
    ) -> ForwardResult:
        if unknown:
            raise TypeError(f"mlxlens takes no {', '.join(unknown)}")
        if max_new_tokens != 1:
            raise NotImplementedError(f"max_new_tokens={max_new_tokens}: a pass reads a prompt and generates nothing")
        rows = _rows(input_ids)
        if attention_mask is not None and not np.asarray(attention_mask).astype(bool).all():
            raise NotImplementedError("attention_mask hides tokens, and mlxlens reads prompts without padding: send them one by one")
        changes = edits(intervene or {}, self.places, self.info["shape"])
        wanted = {name: self.places[name] for name in capture}
        if return_logits:
            wanted["logits"] = Place("logits")
        each = [self._capture(ids, list(dict.fromkeys(wanted.values())), changes) for ids in rows]
        captured = {name: np.stack([row[str(place)] for row in each]) for name, place in wanted.items()}
        return ForwardResult(logits=captured.pop("logits", None), captured=captured)

    def _capture(self, ids: list[int], places: list[Place], changes: list[str]) -> dict[str, np.ndarray]:
        """What passes places, in as many requests as their size needs."""
        arrays: dict[str, np.ndarray] = {}
        part, size = [], 0
        for place in places:
            sizes = width(place, self.info["shape"])
            one = 4 * len(ids) * int(np.prod(sizes if sizes else (self.info["shape"]["heads"], len(ids))))
            if part and size + one > PER_REQUEST:
                arrays |= self.client.capture(ids, part, changes)
                part, size = [], 0
            part.append(str(place))
            size += one
        return arrays | self.client.capture(ids, part, changes) if part else arrays

    def close(self) -> None:
        server, self._server = self._server, None
        if server:
            server.close()


def _rows(input_ids: Any) -> list[list[int]]:
    """The prompts of a batch."""
    if hasattr(input_ids, "detach"):
        input_ids = input_ids.detach().cpu()
    ids = np.asarray(input_ids)
    if input_ids is None or ids.ndim not in (1, 2) or ids.size == 0 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"want token ids, [pos] or [batch, pos], and they are {input_ids!r:.200}")
    return np.atleast_2d(ids).tolist()


class Bridge(RemoteBridge):
    """TransformerLens' RemoteBridge, with strings for models whose tokenizer the server alone has, and
    without silence where a hook's change would be dropped."""

    @property
    def places(self) -> dict[str, Place]:
        """Hook names, and the sites of mlxlens that they are."""
        return dict(self._driver.places)

    def forward(self, input: Any = None, **kwargs: Any) -> Any:
        if kwargs.get("return_type", "logits") is None:
            kwargs.setdefault("return_logits", False)
        return super().forward(self._ids(input, kwargs), **self._canonical(kwargs))

    def __call__(self, input: Any = None, **kwargs: Any) -> Any:
        return self.forward(input, **kwargs)

    def run_with_cache(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        return super().run_with_cache(self._ids(input, kwargs), *args, **kwargs)

    def run_with_hooks(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():  # that changes are dropped: here they are refused
            warnings.filterwarnings("ignore", message="RemoteBridge fwd_hooks fire on already-captured")
            return super().run_with_hooks(self._ids(input, kwargs), *args, **kwargs)

    def _ids(self, input: Any, kwargs: dict[str, Any]) -> Any:
        if not isinstance(input, str):
            return input
        return self.to_tokens(input, prepend_bos=kwargs.pop("prepend_bos", None))

    def _canonical(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Interventions may have TransformerLens' second names, such as blocks.0.hook_resid_pre."""
        if kwargs.get("intervene"):
            known = self.hook_dict
            named = {}
            for name, spec in kwargs["intervene"].items():
                canonical = known[name].name if name in known else name
                if canonical in named:
                    raise ValueError(f"intervene: {name!r} names {canonical!r} a second time: give a list of specs")
                named[canonical] = spec
            kwargs["intervene"] = named
        return kwargs

    def _replay_captures(self, captured: Mapping[str, Any]) -> None:
        for name, activation in captured.items():
            before = to_torch(activation)
            version = before._version
            after = self._hook_registry[name](before)
            if before._version != version or (after is not before and not torch.equal(after, before)):
                raise NotImplementedError(
                    f"a hook of {name!r} changes what passes, and functions cannot be sent to mlxlens: "
                    f"pass intervene={{{name!r}: {{'op': 'set', 'value': ...}}}} (or add, scale, zero, project_out)"
                )

    def to_tokens(self, input: Any, prepend_bos: bool | None = None, truncate: bool = True) -> torch.Tensor:
        """Token ids [1, pos]. Without a tokenizer of transformers the server's, whose own rule is the default of prepend_bos."""
        if self.tokenizer is not None:
            return super().to_tokens(input, prepend_bos=prepend_bos, truncate=truncate)
        info = self._driver.info
        if not info["tokenizer"]:
            raise ValueError("the server's model has no tokenizer: give token ids")
        if not isinstance(input, str):
            raise NotImplementedError("the server's tokenizer takes one string")
        if prepend_bos and not info["adds_bos"]:
            raise NotImplementedError("prepend_bos=True: the model's tokenizer adds no BOS; give token ids, or boot with tokenizer=")
        ids = [token["id"] for token in self._driver.client.tokenize(input, bos=prepend_bos is not False)]
        return torch.tensor([ids])

    def to_string(self, tokens: Any) -> str:
        """The text of token ids, [pos] or one."""
        return self._driver.client.string(np.atleast_1d(np.asarray(tokens)).tolist())

    def to_str_tokens(self, input: Any, prepend_bos: bool | None = None) -> list[str]:
        """The text of each token, of a string or of ids [pos] or [1, pos]."""
        ids = self._ids(input, {"prepend_bos": prepend_bos})
        return self._driver.client.text(_rows(ids)[0])
