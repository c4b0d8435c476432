"""Engines whose lowest layers are shared: an article goes through them once, whatever the number of its targets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from models.engines import Logits, batches
from models.windows import Ids, Window

States = TypeVar("States")

# Windows that are run at a time, and tokens whose states are kept for the windows that come next: a service reads
# several articles in turn, and the targets of one may come a batch later. At 256 states, 16 MiB.
PORTION, KEPT = 8192, 16_384

_NOTHING: Ids = np.zeros(0, dtype=np.int32)


class SharedRunner(Generic[States]):
    """Runs windows in two steps: `below` gives the states of a group of blocks, `above` answers from them.

    Both take windows of one group (`batches`, with `budget` and `slack`); `above` is given for each window the states
    of its blocks, to be put side by side.
    """

    def __init__(
        self,
        below: Callable[[Sequence[Window]], Sequence[States]],
        above: Callable[[Sequence[Window], Sequence[list[States]]], Sequence[Logits]],
        budget: int,
        slack: float,
    ) -> None:
        self._below, self._above, self._budget, self._slack = below, above, budget, slack
        self._kept: OrderedDict[object, tuple[Window, States]] = OrderedDict()
        self._tokens = 0

    def run(self, found: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(found)
        for part in _portions(found):
            blocks = {key: block for i in part for key, block in _blocks(found[i])}
            states = self._states(blocks)
            members = [found[i] for i in part]
            for group in batches(members, self._budget, self._slack):
                chosen = [members[k] for k in group]
                given = [[states[key] for key, _ in _blocks(window)] for window in chosen]
                for k, logits in zip(group, self._above(chosen, given), strict=True):
                    results[part[k]] = logits
        return results

    def _states(self, blocks: dict[object, Window]) -> dict[object, States]:
        known = {key: self._kept[key][1] for key in blocks if key in self._kept}
        missing = [key for key in blocks if key not in known]
        wanted = [blocks[key] for key in missing]
        for group in batches(wanted, self._budget, self._slack):
            for k, states in zip(group, self._below([wanted[k] for k in group]), strict=True):
                known[missing[k]] = states
        for key in blocks:
            self._keep(key, blocks[key], known[key])
        return known

    def _keep(self, key: object, block: Window, states: States) -> None:
        if key not in self._kept:
            self._tokens += block.tokens
        self._kept[key] = (block, states)
        self._kept.move_to_end(key)
        while self._tokens > KEPT:
            _, (oldest, _) = self._kept.popitem(last=False)
            self._tokens -= oldest.tokens


def _blocks(window: Window) -> list[tuple[object, Window]]:
    """The blocks of a window, each with a key that equal ones share: the target's tokens, the article's window."""
    if window.article is None:
        return [(window, window)]
    ids = window.ids[: window.head]
    target = Window(ids, window.head, _NOTHING, _NOTHING, _NOTHING, _NOTHING)
    return [(ids.tobytes(), target), (window.article, window.article)]


def _portions(found: Sequence[Window]) -> list[list[int]]:
    """Indices in order, cut where `PORTION` tokens are full."""
    parts: list[list[int]] = []
    used = 0
    for i, window in enumerate(found):
        if not parts or used + window.tokens > PORTION:
            parts.append([])
            used = 0
        parts[-1].append(i)
        used += window.tokens
    return parts
