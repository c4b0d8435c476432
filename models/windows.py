"""An article as the encoder reads it: token windows of whole sentences.

    [CLS] target [SEP] s1 [SEP] s2 [SEP] … sn [SEP]

The target may be empty (`[CLS] [SEP] s1 …`). Windows of a long article overlap by `overlap` sentences, and each
sentence is scored in the window where it is farthest from an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Ids = NDArray[np.int32]
Pooling = Literal["sep", "mean"]


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How a bundle's windows are laid out; `cls`, `sep` and `pad` are token ids of its tokenizer.

    `max_tokens` counts special tokens. `token_types` is the number of token types of the encoder: 0 for none,
    2 for BERT's segments, 4 where a token also says whether it stands on both sides (see `token_types`).
    """

    cls: int
    sep: int
    pad: int
    max_tokens: int = 512
    max_target_tokens: int = 96
    overlap: int = 2
    token_types: int = 2
    pooling: Pooling = "sep"

    def to_json(self) -> dict[str, Any]:
        """Plain data for bundle.json."""
        return asdict(self)

    def room(self, target_tokens: int) -> int:
        """Tokens left for sentences (each closed by one separator) beside a target."""
        return self.max_tokens - 2 - target_tokens


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One input of the encoder, unpadded.

    `ids` (L,) token ids; the first `head` of them are [CLS] target [SEP]. Sentence k of the window holds tokens
    `starts[k]:ends[k]`, the last of which is its closing [SEP]. `scored` are the positions k whose logits are
    read from this window and `sentences` (same length) the article's sentences that they are.
    """

    ids: Ids
    head: int
    starts: Ids
    ends: Ids
    scored: Ids
    sentences: Ids

    @property
    def tokens(self) -> int:
        """Length in tokens, special ones included."""
        return len(self.ids)

    @property
    def beside(self) -> bool:
        """Whether it stands beside a target of any tokens."""
        return self.head > 2


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Ids]:
    """Token ids of each normalised text, without special tokens."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]


def token_types(window: Window, spec: WindowSpec) -> Ids:
    """Token type of each token: 0 up to the first [SEP], 1 after it.

    With four types, a token that stands on both sides has 2 (in the target) or 3 (in the article): exact
    matches are what a small encoder is slowest to find by attention alone.
    """
    types = np.zeros(window.tokens, dtype=np.int32)
    types[window.head :] = 1
    if spec.token_types == 4 and window.head > 2:
        target, article = window.ids[: window.head], window.ids[window.head :]
        types[: window.head] += 2 * _shared(target, article, spec)
        types[window.head :] += 2 * _shared(article, target, spec)
    return types


def _shared(ids: Ids, others: Ids, spec: WindowSpec) -> Ids:
    words = (ids != spec.cls) & (ids != spec.sep)
    shared: Ids = (words & np.isin(ids, others)).astype(np.int32)
    return shared


def windows(sentences: Sequence[Ids], target: Ids | None, spec: WindowSpec, *, context: bool = True) -> list[Window]:
    """The windows that read every sentence of an article once, beside `target` (None: the empty one).

    Without `context` each sentence has a window of its own. A sentence that does not fit a window loses its
    tail there; `truncated` says which ones do.
    """
    lead = np.concatenate(([spec.cls], target if target is not None else [], [spec.sep])).astype(np.int32)
    room = spec.max_tokens - len(lead)
    cut = [ids[: room - 1] for ids in sentences]
    lengths = [len(ids) + 1 for ids in cut]
    if not context:
        return [_window(lead, cut, i, i + 1, range(i, i + 1), spec.sep) for i in range(len(cut))]
    return [
        _window(lead, cut, first, last, scored, spec.sep)
        for first, last, scored in lay_out(lengths, room, spec.overlap)
    ]


def truncated(sentences: Sequence[Ids], target_tokens: int, spec: WindowSpec) -> list[bool]:
    """Which sentences lose their tail beside a target of that many tokens."""
    room = spec.room(target_tokens)
    return [len(ids) + 1 > room for ids in sentences]


def lay_out(lengths: Sequence[int], room: int, overlap: int) -> list[tuple[int, int, range]]:
    """Cut an article of sentence `lengths` (tokens, each at most `room`) into windows.

    Returns (first, last, scored): the window holds sentences first:last and those of `scored` are read from it.
    Each sentence is scored exactly once.
    """
    spans: list[tuple[int, int]] = []
    first = last = used = 0
    while last < len(lengths):
        while last < len(lengths) and used + lengths[last] <= room:
            used += lengths[last]
            last += 1
        spans.append((first, last))
        if last == len(lengths):
            break
        # The next window starts `overlap` sentences back, fewer where the next sentence would not fit.
        first = max(first + 1, last - overlap)
        used = sum(lengths[first:last])
        while used + lengths[last] > room:
            used -= lengths[first]
            first += 1
    # Where two windows overlap, the cut between their scored parts is the middle of the overlap.
    cuts = [0, *((spans[i][0] + spans[i - 1][1] + 1) // 2 for i in range(1, len(spans))), len(lengths)]
    return [(*span, range(cuts[i], cuts[i + 1])) for i, span in enumerate(spans)]


def _window(lead: Ids, sentences: Sequence[Ids], first: int, last: int, scored: range, sep: int) -> Window:
    parts: list[Ids] = [lead]
    closing = np.asarray([sep], dtype=np.int32)
    for ids in sentences[first:last]:
        parts += (ids, closing)
    lengths = np.asarray([len(ids) + 1 for ids in sentences[first:last]], dtype=np.int32)
    ends = (len(lead) + np.cumsum(lengths)).astype(np.int32)
    return Window(
        ids=np.concatenate(parts),
        head=len(lead),
        starts=(ends - lengths).astype(np.int32),
        ends=ends,
        scored=np.arange(scored.start - first, scored.stop - first, dtype=np.int32),
        sentences=np.arange(scored.start, scored.stop, dtype=np.int32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows padded to one rectangle, with what a network needs to read sentences from it.

    `ids`, `mask`, `types` (B, L) int64. `reads` (B, Q) the positions whose vectors are read: a window's first [SEP]
    and the closing ones of its scored sentences (0 where a row has fewer). `ends` (N,) flat index (row * Q + place)
    into them of each scored sentence, in window order; `heads` (N,) that of its window's first [SEP].

    Where the spec pools by mean there is also `mean` (N, B * L) float32, which averages a sentence's tokens, or, as
    `collate` is asked, `pool` (N, B * Q), which does so over `reads`; they then hold all tokens of the scored
    sentences of a window without a target. Beside a target only stance is read, which needs no mean: `pool` gives
    the closing [SEP].
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: NDArray[np.int64]
    reads: NDArray[np.int64]
    ends: NDArray[np.int64]
    heads: NDArray[np.int64]
    mean: NDArray[np.float32] | None
    pool: NDArray[np.float32] | None = None


def collate(batch: Sequence[Window], spec: WindowSpec, *, pool: bool = False) -> Batch:
    """Pad windows to the longest of them; with `pool`, `Batch.pool` in place of `Batch.mean`."""
    width = max(window.tokens for window in batch)
    shape = (len(batch), width)
    ids = np.full(shape, spec.pad, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    for row, window in enumerate(batch):
        ids[row, : window.tokens] = window.ids
        mask[row, : window.tokens] = 1
        if spec.token_types:
            types[row, : window.tokens] = token_types(window, spec)
    read = [_every_position(window) if pool and not window.beside else positions_read(window) for window in batch]
    reads = np.zeros((len(batch), max(map(len, read))), dtype=np.int64)
    for row, positions in enumerate(read):
        reads[row, : len(positions)] = positions
    scored = [len(window.scored) for window in batch]
    firsts = np.arange(len(batch)) * reads.shape[1]
    # Positions ascend, so the place of a closing [SEP] among them is found by search.
    places = [np.searchsorted(p, w.ends[w.scored] - 1) for p, w in zip(read, batch, strict=True)]
    ends, heads = np.concatenate(places) + np.repeat(firsts, scored), np.repeat(firsts, scored)
    mean = over_reads = None
    if pool:
        over_reads = _pool_matrix(batch, places, reads)
    elif spec.pooling == "mean":
        mean = mean_matrix(batch, range(0, len(batch) * width, width), len(batch) * width)
    return Batch(ids, mask, types, reads, ends.astype(np.int64), heads.astype(np.int64), mean, over_reads)


def positions_read(window: Window) -> Ids:
    """Positions of the tokens whose vectors stand for the target and for each scored sentence."""
    return np.concatenate(([window.head - 1], window.ends[window.scored] - 1)).astype(np.int32)


def _every_position(window: Window) -> Ids:
    """Those of the first [SEP] and of all tokens of the scored sentences, which stand side by side."""
    first, last = window.starts[window.scored[0]], window.ends[window.scored[-1]]
    return np.concatenate(([window.head - 1], np.arange(first, last))).astype(np.int32)


def _pool_matrix(
    batch: Sequence[Window], places: Sequence[NDArray[np.intp]], reads: NDArray[np.int64]
) -> NDArray[np.float32]:
    """`Batch.pool`; `places` are those of each window's closing [SEP]s in its row of `reads`."""
    matrix = np.zeros((sum(map(len, places)), reads.size), dtype=np.float32)
    n = 0
    for row, (window, closing) in enumerate(zip(batch, places, strict=True)):
        lengths = window.ends[window.scored] - window.starts[window.scored]
        for place, length in zip(closing, [1] * len(closing) if window.beside else lengths, strict=True):
            end = row * reads.shape[1] + place + 1
            matrix[n, end - length : end] = 1.0 / length
            n += 1
    return matrix


def mean_matrix(batch: Sequence[Window], firsts: Sequence[int], cells: int) -> NDArray[np.float32]:
    """(scored sentences, cells): averages the tokens of each; window i begins at cell `firsts[i]` of the batch."""
    total = sum(len(window.scored) for window in batch)
    matrix = np.zeros((total, cells), dtype=np.float32)
    n = 0
    for first, window in zip(firsts, batch, strict=True):
        for k in window.scored:
            start, end = first + window.starts[k], first + window.ends[k]
            matrix[n, start:end] = 1.0 / (end - start)
            n += 1
    return matrix
