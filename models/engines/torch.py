"""torch: the engine for a GPU, and the reference that the exported network is compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load_file

from models.bundle import Bundle
from models.engines import Heads, Logits, batches
from models.errors import BundleError
from models.network import Network, build_encoder
from models.windows import Batch, Window, collate

TOKEN_BUDGET = {"cpu": 4096, "cuda": 65536}


class TorchEngine:
    """Runs a network in eval mode; `dtype` defaults to bf16 on a GPU and fp32 on a CPU."""

    name = "torch"

    def __init__(self, network: Network, device: str | None = None, dtype: torch.dtype | None = None) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = dtype or (torch.bfloat16 if self._device.type == "cuda" else torch.float32)
        self._network = network.eval().to(self._device, dtype)
        self._spec = network.spec

    @torch.inference_mode()
    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, TOKEN_BUDGET[self._device.type]):
            members = [windows[i] for i in group]
            batch = collate(members, self._spec)
            inputs = to_tensors(batch, self._spec.token_types, self._device)
            if batch.mask.all():
                # Attention without a mask has quicker kernels.
                inputs["mask"] = None
            logits = self._network(**inputs)
            sizes = np.cumsum([len(window.scored) for window in members])[:-1]
            for i, part in zip(group, np.split(logits.float().cpu().numpy(), sizes), strict=True):
                results[i] = part
        return results


def to_tensors(batch: Batch, token_types: int, device: torch.device | None = None) -> dict[str, torch.Tensor | None]:
    """A batch as the arguments of `Network.forward`."""
    names = ("ids", "mask", "types", "reads", "ends", "heads", "mean")
    fields = {name: getattr(batch, name) for name in names}
    if not token_types:
        fields["types"] = None
    return {name: None if value is None else torch.from_numpy(value).to(device) for name, value in fields.items()}


def load_network(bundle: Bundle) -> Network:
    """The network of a bundle, with its trained weights.

    Raises:
        BundleError: config.json and model.safetensors do not fit each other.

    """
    config = json.loads((bundle.path / "config.json").read_text(encoding="utf-8"))
    network = Network(build_encoder(config), Heads(len(bundle.scheme.types)), bundle.windows)
    try:
        network.load_state_dict(load_file(bundle.path / "model.safetensors"))
    except RuntimeError as error:
        raise BundleError("model.safetensors: not the weights of the network that config.json describes") from error
    return network
