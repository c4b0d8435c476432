"""An article as the encoder reads it: token windows of whole sentences.

    [CLS] target [SEP] s1 [SEP] s2 [SEP] … sn [SEP]

The target may be empty (`[CLS] [SEP] s1 …`). Windows of a long article overlap by `overlap` sentences, and each
sentence is scored in the window where it is farthest from an edge.

Where an encoder reads target and article apart, a window beside a target is two blocks, which only the comparison
that follows brings together (models/apart.py):

    [CLS] target [SEP] | [CLS] [SEP] s1 [SEP] s2 [SEP] … sn [SEP]

The second is the window beside no target, so the encoder reads it once, whatever the number of targets. Positions count
anew in each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Ids = NDArray[np.int32]
Pooling = Literal["sep", "mean"]

_NOTHING: Ids = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How a bundle's windows are laid out; `cls`, `sep` and `pad` are token ids of its tokenizer.

    `max_tokens` counts special tokens. `token_types` is the number of token types of the encoder: 0 for none,
    2 for BERT's segments, 4 where a token also says whether it stands on both sides (see `token_types`).
    `apart` says whether the encoder reads target and article apart.
    """

    cls: int
    sep: int
    pad: int
    max_tokens: int = 512
    max_target_tokens: int = 96
    overlap: int = 2
    token_types: int = 2
    pooling: Pooling = "sep"
    apart: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for bundle.json."""
        return asdict(self)

    def room(self, target_tokens: int) -> int:
        """Tokens left for sentences (each closed by one separator) beside a target."""
        return self.max_tokens - 2 - (0 if self.apart else target_tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One input of the encoder, unpadded.

    `ids` (L,) token ids; the first `head` of them are [CLS] target [SEP]. Sentence k of the window holds tokens
    `starts[k]:ends[k]`, the last of which is its closing [SEP]. `scored` are the positions k whose logits are
    read from this window and `sentences` (same length) the article's sentences that they are. `article` is the
    window's second block, where it has two.
    """

    ids: Ids
    head: int
    starts: Ids
    ends: Ids
    scored: Ids
    sentences: Ids
    article: Window | None = None

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
    """Token type of each token: 0 before the sentences, 1 in them.

    With four types, a token that stands on both sides has 2 (in the target) or 3 (in the article): exact
    matches are what a small encoder is slowest to find by attention alone.
    """
    types = np.zeros(window.tokens, dtype=np.int32)
    types[window.head :] = 1
    if spec.token_types == 4 and window.beside:
        target, article = window.ids[: window.head], window.ids[window.head :]
        types[: window.head] += 2 * _on_both(target, article, spec)
        types[window.head :] += 2 * _on_both(article, target, spec)
    return types


def _on_both(ids: Ids, others: Ids, spec: WindowSpec) -> Ids:
    words = (ids != spec.cls) & (ids != spec.sep)
    both: Ids = (words & np.isin(ids, others)).astype(np.int32)
    return both


def windows(sentences: Sequence[Ids], target: Ids | None, spec: WindowSpec, *, context: bool = True) -> list[Window]:
    """The windows that read every sentence of an article once, beside `target` (None: the empty one).

    Without `context` each sentence has a window of its own. A sentence that does not fit a window loses its
    tail there; `truncated` says which ones do.
    """
    if spec.apart and target is not None:
        return [joined(target, window) for window in windows(sentences, None, spec, context=context)]
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


def beside(
    own: Sequence[Window], sentences: Sequence[Ids], target: Ids, spec: WindowSpec, *, context: bool = True
) -> list[Window]:
    """The windows of an article beside a target, given those `own` ones beside none, which may be read once for all."""
    if spec.apart:
        return [joined(target, window) for window in own]
    return windows(sentences, target, spec, context=context)


def joined(target: Ids, article: Window) -> Window:
    """A window of two blocks, given the one beside none; with a target of no tokens, that one."""
    if not len(target):
        return article
    lead = np.concatenate((article.ids[:1], target, article.ids[1:2])).astype(np.int32)
    return replace(
        article,
        ids=np.concatenate((lead, article.ids)),
        head=len(lead),
        starts=article.starts + len(lead),
        ends=article.ends + len(lead),
        article=article,
    )


def blocks(window: Window) -> list[tuple[object, Window]]:
    """What the encoder reads apart of a window, each with a key that equal ones share: the target, the article."""
    if window.article is None:
        return [(window, window)]
    ids = window.ids[: window.head]
    target = Window(ids, window.head, _NOTHING, _NOTHING, _NOTHING, _NOTHING)
    return [(ids.tobytes(), target), (window.article, window.article)]


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
