"""torch: the engine for a GPU, and the reference that the exported network is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.apart import ApartNetwork, build_network
from models.batch import Batch, Tokens, collate, lay_tokens
from models.bundle import Bundle
from models.engines import Heads, Logits, batches, split
from models.engines.apart import ApartRunner
from models.errors import BundleError
from models.network import Network, build_encoder
from models.places import places
from models.windows import Window, WindowSpec, blocks

Inputs = dict[str, torch.Tensor | None]
SLACK = 0.05
TOKEN_BUDGET = {"cpu": 4096, "cuda": 65536}


class TorchEngine:
    """Runs a network in eval mode; `dtype` defaults to bf16 on a GPU and fp32 on a CPU."""

    name = "torch"

    def __init__(self, network: Network, device: str | None = None, dtype: torch.dtype | None = None) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = dtype or (torch.bfloat16 if self._device.type == "cuda" else torch.float32)
        self._network = network.eval().to(self._device, dtype)
        self._spec = network.spec
        self._budget = TOKEN_BUDGET[self._device.type]
        self._apart = _Apart(network, self._device, self._budget) if isinstance(network, ApartNetwork) else None

    @torch.inference_mode()
    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        if self._apart is not None:
            return self._apart.run(windows)
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, self._budget, SLACK):
            members = [windows[i] for i in group]
            logits = self._network(**self._inputs(members))
            for i, part in zip(group, split(logits.float().cpu().numpy(), members), strict=True):
                results[i] = part
        return results

    def _inputs(self, members: Sequence[Window]) -> Inputs:
        return without_full_mask(to_tensors(collate(members, self._spec), self._spec, self._device))


class _Apart:
    """Runs a network that reads target and article apart."""

    def __init__(self, network: ApartNetwork, device: torch.device, budget: int) -> None:
        self._network, self._device = network, device
        self._runner = ApartRunner(self._encode, self._answer, budget, SLACK)

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        return self._runner.run(windows)

    def _encode(self, members: Sequence[Window]) -> list[torch.Tensor]:
        spec = self._network.spec
        inputs: dict[str, Any] = without_full_mask(
            to_tensors(lay_tokens([[block] for block in members], spec), spec, self._device)
        )
        states = self._network.encode(*(inputs[name] for name in ("ids", "mask", "types")))
        return [row[: block.tokens] for row, block in zip(states, members, strict=True)]

    def _answer(self, members: Sequence[Window], states: Mapping[object, torch.Tensor]) -> list[Logits]:
        known = {key: block for window in members for key, block in blocks(window)}
        starts = np.cumsum([0, *(block.tokens for block in known.values())]).tolist()
        found = places(members, dict(zip(known, starts, strict=False)))
        given = torch.cat([states[key] for key in known])
        tokens = torch.from_numpy(np.concatenate([block.ids for block in known.values()]).astype(np.int64))
        where = (torch.from_numpy(getattr(found, name)).to(self._device) for name in found.__slots__)
        logits = self._network.answer(given, tokens.to(self._device), *where)
        return split(logits.float().cpu().numpy(), members)


def to_tensors(batch: Batch | Tokens, spec: WindowSpec, device: torch.device | None = None) -> Inputs:
    """A batch as the arguments of `Network.forward`."""
    fields: dict[str, NDArray[Any] | None] = {name: getattr(batch, name) for name in batch.__slots__}
    if not spec.token_types:
        fields["types"] = None
    if batch.mask.max() > 1:
        # Several windows in a row see themselves.
        fields["mask"] = (batch.mask[:, :, None] == batch.mask[:, None, :])[:, None]
    return {name: None if value is None else torch.from_numpy(value).to(device) for name, value in fields.items()}


def without_full_mask(inputs: Inputs) -> Inputs:
    """The same without a mask that hides nothing: attention without one has quicker kernels."""
    mask = inputs["mask"]
    return {**inputs, "mask": None} if mask is not None and mask.all() else inputs


def load_network(bundle: Bundle, dropout: float = 0.0) -> Network:
    """The network of a bundle, with its trained weights; `dropout` is for training it on.

    Raises:
        BundleError: config.json and model.safetensors do not fit each other.

    """
    config = json.loads((bundle.path / "config.json").read_text(encoding="utf-8"))
    heads = Heads(len(bundle.scheme.types))
    network = build_network(build_encoder(config, dropout), heads, bundle.windows, dropout)
    try:
        network.load_state_dict(load_file(bundle.path / "model.safetensors"))
    except RuntimeError as error:
        raise BundleError("model.safetensors: not the weights of the network that config.json describes") from error
    return network
