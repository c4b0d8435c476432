"""Readings put together for one training step: packed into rows, or padded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.batch import lay, stretches
from models.engines.torch import Inputs, to_tensors
from models.labels import STANCES, VOICES
from models.network import Answers
from models.windows import Window, WindowSpec
from training.articles import Allowed
from training.reads import Reading


class Collator:
    """Turns readings into the network's inputs and what is known of their sentences.

    With `packing`, windows share rows: attention stays inside each window and positions restart, so the result
    equals the padded batch without its padding. On a GPU rows of at most `spec.max_tokens` tokens have a mask that
    keeps their windows apart. On a CPU, where the products that such a mask throws away cost more than they save,
    all windows stand in `one_row`, which the network takes from encoders of BERT's shape.
    """

    def __init__(
        self, spec: WindowSpec, types: Sequence[str], partial: float, *, packing: bool, one_row: bool = False
    ) -> None:
        self._spec, self._types, self._partial = spec, tuple(types), partial
        self._packing, self._one_row = packing, one_row

    def __call__(self, readings: Sequence[Reading]) -> dict[str, Inputs | dict[str, Tensor]]:
        """{"inputs": arguments of `Network.forward`, "answers": fields of `Answers`}."""
        rows = [[i] for i in range(len(readings))]
        if self._packing:
            room = sys.maxsize if self._one_row else self._spec.max_tokens
            rows = first_fit([reading.window for reading in readings], room)
        found = [[readings[i].window for i in row] for row in rows]
        inputs: dict[str, Any] = to_tensors(lay(found, self._spec), self._spec)
        if self._packing and self._one_row:
            inputs |= {"mask": None, "blocks": None, "stretches": stretches(found[0], self._spec)}
        answers = self._answers([readings[i] for row in rows for i in row])
        return {"inputs": inputs, "answers": {name: getattr(answers, name) for name in Answers.__slots__}}

    def _answers(self, readings: Sequence[Reading]) -> Answers:
        rows = [(s, stance, r) for r in readings for s, stance in zip(r.sentences, r.stances, strict=True)]
        types = np.zeros((len(rows), len(self._types)), dtype=np.float32)
        weight = np.zeros_like(types)
        for n, (sentence, _, reading) in enumerate(rows):
            if sentence.types is not None and not reading.beside_target:
                for k, name in enumerate(self._types):
                    if name in sentence.types:
                        types[n, k], weight[n, k] = sentence.types[name], reading.weight
        primary = [(None if r.beside_target else s.primary, r.weight) for s, _, r in rows]
        voice = [(None if r.beside_target else s.voice, r.weight) for s, _, r in rows]
        stance = [(allowed, r.weight) for _, allowed, r in rows]
        return Answers(
            torch.from_numpy(types),
            torch.from_numpy(weight),
            *self._sets(primary, self._types),
            *self._sets(voice, VOICES),
            *self._sets(stance, STANCES),
        )

    def _sets(self, rows: Sequence[tuple[Allowed | None, float]], names: Sequence[str]) -> tuple[Tensor, Tensor]:
        allowed = np.zeros((len(rows), len(names)), dtype=bool)
        weight = np.zeros(len(rows), dtype=np.float32)
        for n, (answers, share) in enumerate(rows):
            if answers:
                allowed[n] = [name in answers for name in names]
                known = int(allowed[n].sum())
                # A set of all answers says nothing; one of several is satisfied by its easiest member.
                weight[n] = share * (0.0 if known in (0, len(names)) else 1.0 if known == 1 else self._partial)
        return torch.from_numpy(allowed), torch.from_numpy(weight)


def first_fit(found: Sequence[Window], room: int) -> list[list[int]]:
    """Which windows share a row of `room` tokens: the longest first, each in the first row that has room.

    A longer window has a row of its own.
    """
    rows: list[list[int]] = []
    used: list[int] = []
    for i in sorted(range(len(found)), key=lambda i: -found[i].tokens):
        row = next((r for r in range(len(rows)) if used[r] + found[i].tokens <= room), len(rows))
        if row == len(rows):
            rows.append([])
            used.append(0)
        rows[row].append(i)
        used[row] += found[i].tokens
    return rows
