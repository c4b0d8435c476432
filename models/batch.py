"""Windows put together for the network: one rectangle of tokens, and what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.windows import Ids, Window, WindowSpec, token_types

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows padded to one rectangle, with what a network needs to read sentences from it.

    `ids`, `mask`, `types` (B, L). `reads` (B, Q) the positions whose vectors are read: a window's first [SEP] and the
    closing ones of its scored sentences (0 where a row has fewer). `ends` (N,) flat index (row * Q + place) into them
    of each scored sentence, in window order; `heads` (N,) that of its window's first [SEP].

    Where the spec pools by mean, `pool` (N, B * Q) averages a sentence's tokens over `reads`, which then hold all
    tokens of the scored sentences of a window without a target. Beside a target only stance is read, which needs no
    mean: `pool` gives the closing [SEP].

    `positions` (B, L) count anew in each window; None where each row counts from its start.
    """

    ids: Integers
    mask: Integers
    types: Integers
    reads: Integers
    ends: Integers
    heads: Integers
    pool: NDArray[np.float32] | None = None
    positions: Integers | None = None


@dataclass(frozen=True, slots=True)
class Stretches:
    """How the tokens of one row of windows lie: the windows' lengths, and the positions read from each."""

    windows: list[int]
    reads: list[int]


def stretches(found: Sequence[Window], spec: WindowSpec) -> Stretches:
    """Those of the row that `lay` makes of the windows."""
    return Stretches([w.tokens for w in found], [len(_positions_read(w, spec)) for w in found])


def collate(found: Sequence[Window], spec: WindowSpec) -> Batch:
    """Each window in a row of its own, padded to the longest of them."""
    return lay([[window] for window in found], spec)


def lay(rows: Sequence[Sequence[Window]], spec: WindowSpec) -> Batch:
    """Rows of one or more windows, padded to the longest row; `mask` numbers a row's windows from 1, 0 is padding."""
    tokens = lay_tokens(rows, spec)
    # Positions read from each row, and for each window where its own begin among them.
    read: list[list[Ids]] = [[] for _ in rows]
    places: list[tuple[Window, int, int]] = []
    for r, row in enumerate(rows):
        at = count = 0
        for window in row:
            wanted = _positions_read(window, spec)
            read[r].append(wanted + at)
            places.append((window, r, count))
            count += len(wanted)
            at += window.tokens
    reads = np.zeros((len(rows), max(sum(map(len, parts)) for parts in read)), dtype=np.int64)
    for r, parts in enumerate(read):
        joined = np.concatenate(parts)
        reads[r, : len(joined)] = joined
    cells = reads.shape[1]
    firsts = [r * cells + place for _, r, place in places]
    ends = [first + _closing(window, spec) for (window, _, _), first in zip(places, firsts, strict=True)]
    order = [window for window, _, _ in places]
    return Batch(
        tokens.ids,
        tokens.mask,
        tokens.types,
        reads,
        np.concatenate(ends).astype(np.int64),
        np.repeat(firsts, [len(window.scored) for window in order]).astype(np.int64),
        _pool(order, ends, reads.size) if spec.pooling == "mean" else None,
        tokens.positions if len(order) > len(rows) else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Rows of windows as tokens (B, L): ids, which window of its row each is of (0 for padding), type and position."""

    ids: Integers
    mask: Integers
    types: Integers
    positions: Integers


def lay_tokens(rows: Sequence[Sequence[Window]], spec: WindowSpec) -> Tokens:
    """The tokens of rows of windows, padded to the longest row."""
    width = max(sum(window.tokens for window in row) for row in rows)
    ids = np.full((len(rows), width), spec.pad, dtype=np.int64)
    mask, types, positions = (np.zeros_like(ids) for _ in range(3))
    for r, row in enumerate(rows):
        at = 0
        for number, window in enumerate(row, start=1):
            here = slice(at, at + window.tokens)
            ids[r, here], mask[r, here] = window.ids, number
            if spec.token_types:
                types[r, here] = token_types(window, spec)
            positions[r, here] = np.arange(window.tokens)
            at = here.stop
    return Tokens(ids, mask, types, positions)


def _positions_read(window: Window, spec: WindowSpec) -> Ids:
    """Those of the first [SEP] and of the closing ones of the scored sentences, or of all their tokens."""
    if spec.pooling == "mean" and not window.beside and len(window.scored):
        # Scored sentences stand side by side.
        sentences = np.arange(window.starts[window.scored[0]], window.ends[window.scored[-1]])
    else:
        sentences = window.ends[window.scored] - 1
    return np.concatenate(([window.head - 1], sentences)).astype(np.int32)


def _closing(window: Window, spec: WindowSpec) -> NDArray[np.intp]:
    """Places of the scored sentences' closing [SEP]s among the positions that are read, which ascend."""
    return np.searchsorted(_positions_read(window, spec), window.ends[window.scored] - 1)


def _pool(found: Sequence[Window], ends: Sequence[NDArray[np.intp]], cells: int) -> NDArray[np.float32]:
    matrix = np.zeros((sum(map(len, ends)), cells), dtype=np.float32)
    n = 0
    for window, closing in zip(found, ends, strict=True):
        lengths = window.ends[window.scored] - window.starts[window.scored]
        for end, length in zip(closing, [1] * len(closing) if window.beside else lengths, strict=True):
            matrix[n, end + 1 - length : end + 1] = 1.0 / length
            n += 1
    return matrix
