"""torch: the engine for a GPU, and the reference that the exported network is compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence

from models.batch import Batch, collate
from models.bundle import Bundle
from models.engines import Heads, Logits, batches, split
from models.engines.shared import SharedRunner
from models.errors import BundleError
from models.network import Network, build_encoder
from models.windows import Window, WindowSpec

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

    @torch.inference_mode()
    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        if self._spec.shared_layers:
            return SharedRunner(self._below, self._above, self._budget, SLACK).run(windows)
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, self._budget, SLACK):
            members = [windows[i] for i in group]
            logits = self._network(**self._inputs(members))
            for i, part in zip(group, split(logits.float().cpu().numpy(), members), strict=True):
                results[i] = part
        return results

    def _inputs(self, members: Sequence[Window]) -> Inputs:
        inputs = to_tensors(collate(members, self._spec), self._spec, self._device)
        mask = inputs["mask"]
        if mask is not None and mask.all():
            # Attention without a mask has quicker kernels.
            inputs["mask"] = None
        return inputs

    def _below(self, members: Sequence[Window]) -> list[torch.Tensor]:
        inputs: dict[str, Any] = self._inputs(members)
        states = self._network.below(*(inputs[name] for name in ("ids", "mask", "types")))
        return [row[: window.tokens] for row, window in zip(states, members, strict=True)]

    def _above(self, members: Sequence[Window], states: Sequence[list[torch.Tensor]]) -> list[Logits]:
        inputs: dict[str, Any] = self._inputs(members)
        rows = pad_sequence([torch.cat(blocks) for blocks in states], batch_first=True)
        names = ("mask", "types", "reads", "ends", "heads", "pool")
        logits = self._network.above(rows, *(inputs[name] for name in names))
        return split(logits.float().cpu().numpy(), members)


def to_tensors(batch: Batch, spec: WindowSpec, device: torch.device | None = None) -> Inputs:
    """A batch as the arguments of `Network.forward`."""
    fields: dict[str, NDArray[Any] | None] = {name: getattr(batch, name) for name in Batch.__slots__}
    if not spec.token_types:
        fields["types"] = None
    if batch.mask.max() > 1:
        # Several windows in a row see themselves.
        fields["mask"] = (batch.mask[:, :, None] == batch.mask[:, None, :])[:, None]
    return {name: None if value is None else torch.from_numpy(value).to(device) for name, value in fields.items()}


def load_network(bundle: Bundle, dropout: float = 0.0) -> Network:
    """The network of a bundle, with its trained weights; `dropout` is for training it on.

    Raises:
        BundleError: config.json and model.safetensors do not fit each other.

    """
    config = json.loads((bundle.path / "config.json").read_text(encoding="utf-8"))
    network = Network(build_encoder(config, dropout), Heads(len(bundle.scheme.types)), bundle.windows, dropout)
    try:
        network.load_state_dict(load_file(bundle.path / "model.safetensors"))
    except RuntimeError as error:
        raise BundleError("model.safetensors: not the weights of the network that config.json describes") from error
    return network
