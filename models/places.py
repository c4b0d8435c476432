"""Where the tokens of a window's target and sentences lie, when blocks that were read apart stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.batch import Integers
from models.windows import Window, blocks


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the blocks' tokens lie that windows are answered from: `sentences` (S, M), `targets` (K, T), -1 beyond.

    `pairs` (N, 2) gives for each scored sentence, in window order, its row in `sentences` and that of its window's
    target in `targets`, -1 beside none.
    """

    sentences: Integers
    targets: Integers
    pairs: Integers


def places(found: Sequence[Window], firsts: Mapping[object, int]) -> Places:
    """Those of windows whose blocks (by the key of `windows.blocks`) begin at `firsts`; each is named once."""
    sentences: dict[tuple[object, int], range] = {}
    targets: dict[object, range] = {}
    pairs: list[tuple[object, tuple[object, int]]] = []
    for window in found:
        *target, (key, article) = blocks(window)
        for name, block in target:
            targets.setdefault(name, range(firsts[name], firsts[name] + block.tokens))
        for k in window.scored.tolist():
            start, end = int(article.starts[k]), int(article.ends[k])
            sentences.setdefault((key, k), range(firsts[key] + start, firsts[key] + end))
            pairs.append((target[0][0] if target else None, (key, k)))
    rows = {name: i for i, name in enumerate(sentences)}
    columns = {name: i for i, name in enumerate(targets)}
    return Places(
        _table(list(sentences.values())),
        _table(list(targets.values())),
        np.asarray([(rows[s], -1 if t is None else columns[t]) for t, s in pairs], dtype=np.int64).reshape(-1, 2),
    )


def _table(ranges: Sequence[range]) -> Integers:
    table = np.full((len(ranges), max(map(len, ranges), default=1)), -1, dtype=np.int64)
    for row, found in zip(table, ranges, strict=True):
        row[: len(found)] = found
    return table
