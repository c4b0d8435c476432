"""Readings put together for one training step: packed into rows, or padded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.batch import lay, lay_tokens, stretches
from models.engines.torch import to_tensors
from models.labels import STANCES, VOICES
from models.network import Answers
from models.places import places
from models.windows import Window, WindowSpec, blocks
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

    def __call__(self, items: Sequence[Sequence[Reading]]) -> dict[str, Any]:
        """{"inputs": arguments of the network's `forward`, "answers": fields of `Answers`}, of the items of `Reads`."""
        readings = [reading for item in items for reading in item]
        if self._spec.apart:
            inputs = self._apart([reading.window for reading in readings])
        else:
            readings, inputs = self._joint(readings)
        answers = self._answers(readings)
        return {"inputs": inputs, "answers": {name: getattr(answers, name) for name in Answers.__slots__}}

    def _joint(self, readings: Sequence[Reading]) -> tuple[list[Reading], dict[str, Any]]:
        """The readings in the order in which the network answers them, and what it is given."""
        rows = self._rows([reading.window for reading in readings])
        found = [[readings[i].window for i in row] for row in rows]
        inputs: dict[str, Any] = to_tensors(lay(found, self._spec), self._spec)
        if self._packing and self._one_row:
            inputs |= {"mask": None, "stretches": stretches(found[0], self._spec)}
        return [readings[i] for row in rows for i in row], inputs

    def _apart(self, found: Sequence[Window]) -> dict[str, Any]:
        """Every block once, however many windows it is part of."""
        known = {key: block for window in found for key, block in blocks(window)}
        keys, members = list(known), list(known.values())
        rows = self._rows(members)
        tokens = lay_tokens([[members[i] for i in row] for row in rows], self._spec)
        firsts: dict[object, int] = {}
        for r, row in enumerate(rows):
            at = r * tokens.ids.shape[1]
            for i in row:
                firsts[keys[i]], at = at, at + members[i].tokens
        inputs: dict[str, Any] = to_tensors(tokens, self._spec)
        if self._packing and self._one_row:
            inputs["mask"] = [members[i].tokens for i in rows[0]]
        where = places(found, firsts)
        return inputs | {name: torch.from_numpy(getattr(where, name)) for name in where.__slots__}

    def _rows(self, found: Sequence[Window]) -> list[list[int]]:
        """Which windows share a row."""
        if not self._packing:
            return [[i] for i in range(len(found))]
        return first_fit(found, sys.maxsize if self._one_row else self._spec.max_tokens)

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
