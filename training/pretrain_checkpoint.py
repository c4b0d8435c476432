"""Checkpoints of a pretraining run: safetensors in parts of a bounded size, and where the run stands."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from models.errors import DataError

_PLACE = "state.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(slots=True)
class Progress:
    """Where a run stands: updates made, tokens read, seconds spent."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def save_checkpoint(folder: Path, model: nn.Module, optimiser: AdamW, progress: Progress, part_mib: int) -> None:
    """Write weights, optimiser and progress to `folder`, which holds a whole checkpoint at any moment.

    No file is larger than `part_mib`, unless one tensor is.
    """
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    parts = _parts(_tensors(model, optimiser), part_mib * 2**20)
    for number, part in enumerate(parts):
        save_file(part, fresh / f"part-{number:03}.safetensors")
    state = {"parts": len(parts), "progress": asdict(progress)}
    (fresh / _PLACE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path, model: nn.Module, optimiser: AdamW) -> Progress:
    """Put a checkpoint into model and optimiser; a fresh `Progress` where there is none.

    Raises:
        DataError: the checkpoint is incomplete or of a model of another shape.

    """
    if not (folder / _PLACE).is_file():
        return Progress()
    try:
        state = json.loads((folder / _PLACE).read_text(encoding="utf-8"))
        tensors: dict[str, Tensor] = {}
        for number in range(state["parts"]):
            tensors |= load_file(folder / f"part-{number:03}.safetensors")
        progress = Progress(**state["progress"])
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(tensors[f"weight.{name}"])
                found = {key: tensors[f"{key}.{name}"] for key in _MOMENTS if f"{key}.{name}" in tensors}
                optimiser.state[parameter] = {key: tensor.to(parameter.device) for key, tensor in found.items()}
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{folder}: not a checkpoint of this model ({error})") from error
    return progress


def _tensors(model: nn.Module, optimiser: AdamW) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"weight.{name}"] = parameter.detach()
        # Nothing yet for a parameter that no stage has used so far.
        for key, tensor in optimiser.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = tensor
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _parts(tensors: dict[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if parts[-1] and size + tensor.nbytes > limit:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += tensor.nbytes
    return parts
