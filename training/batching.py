"""Readings put together for one training step: packed into rows, or padded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.engines.torch import to_tensors
from models.labels import STANCES, VOICES
from models.network import Answers
from models.windows import Window, WindowSpec, collate, mean_matrix, positions_read, token_types
from training.articles import Allowed
from training.reads import Reading

Inputs = dict[str, Tensor | None]


class Collator:
    """Turns readings into the network's inputs and what is known of their sentences.

    With `packing`, several windows share a row of at most `spec.max_tokens` tokens: attention stays inside each
    window and positions restart, so the result equals the padded batch without its padding.
    """

    def __init__(self, spec: WindowSpec, types: Sequence[str], partial: float, *, packing: bool) -> None:
        self._spec, self._types, self._partial, self._packing = spec, tuple(types), partial, packing

    def __call__(self, readings: Sequence[Reading]) -> dict[str, Inputs | dict[str, Tensor]]:
        """{"inputs": arguments of `Network.forward`, "answers": fields of `Answers`}."""
        found = [reading.window for reading in readings]
        if self._packing:
            inputs = pack(found, self._spec)
        else:
            inputs = to_tensors(collate(found, self._spec), self._spec.token_types)
        answers = self._answers(readings)
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


def pack(found: Sequence[Window], spec: WindowSpec) -> Inputs:
    """Windows laid into as few rows as first-fit-decreasing finds, with a mask that keeps them apart."""
    rows = _first_fit(found, spec.max_tokens)
    width = max(sum(found[i].tokens for i in members) for members in rows)
    ids = np.full((len(rows), width), spec.pad, dtype=np.int64)
    types, positions = np.zeros_like(ids), np.zeros_like(ids)
    owner = np.full((len(rows), width), -1, dtype=np.int64)
    read: list[list[int]] = [[] for _ in rows]
    # Where the positions read from a window begin among those of its row.
    places = np.zeros(len(found), dtype=np.int64)
    firsts = [0] * len(found)
    for r, members in enumerate(rows):
        at = 0
        for i in members:
            window = found[i]
            here = slice(at, at + window.tokens)
            ids[r, here], positions[r, here], owner[r, here] = window.ids, np.arange(window.tokens), i
            if spec.token_types:
                types[r, here] = token_types(window, spec)
            places[i], firsts[i] = len(read[r]), r * width + at
            read[r] += [at + int(position) for position in positions_read(window)]
            at += window.tokens
    same = torch.from_numpy(owner[:, :, None] == owner[:, None, :]).unsqueeze(1)
    reads = np.zeros((len(rows), max(map(len, read))), dtype=np.int64)
    for r, members in enumerate(rows):
        reads[r, : len(read[r])] = read[r]
        places[members] += r * reads.shape[1]
    heads = np.repeat(places, [len(window.scored) for window in found])
    ends = np.concatenate([places[i] + 1 + np.arange(len(window.scored)) for i, window in enumerate(found)])
    return {
        "ids": torch.from_numpy(ids),
        "mask": same,
        "types": torch.from_numpy(types) if spec.token_types else None,
        "reads": torch.from_numpy(reads),
        "ends": torch.from_numpy(ends),
        "heads": torch.from_numpy(heads),
        "mean": torch.from_numpy(mean_matrix(found, firsts, ids.size)) if spec.pooling == "mean" else None,
        "positions": torch.from_numpy(positions),
    }


def _first_fit(found: Sequence[Window], room: int) -> list[list[int]]:
    """Which windows share a row of `room` tokens: the longest first, each in the first row that has room."""
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
