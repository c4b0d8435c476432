"""Engines that read target and article apart: each goes through the encoder once, whatever it is compared with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from models.engines import Logits, batches
from models.windows import Window, blocks

States = TypeVar("States")

# Windows that are run at a time, and tokens whose states are kept for the windows that come next: a service reads
# several articles in turn, and the targets of one may come a batch later. At 640 numbers a token, 20 MiB.
PORTION, KEPT = 8192, 8192


class ApartRunner(Generic[States]):
    """Runs windows in two steps: `encode` gives the states of a group of blocks, `answer` the logits of windows.

    `encode` takes groups of like length (`batches`, with `budget` and `slack`); `answer` is given the states of all
    blocks of its windows by their keys (`windows.blocks`).
    """

    def __init__(
        self,
        encode: Callable[[Sequence[Window]], Sequence[States]],
        answer: Callable[[Sequence[Window], Mapping[object, States]], Sequence[Logits]],
        budget: int,
        slack: float,
    ) -> None:
        self._encode, self._answer, self._budget, self._slack = encode, answer, budget, slack
        self._kept: OrderedDict[object, tuple[Window, States]] = OrderedDict()
        self._tokens = 0

    def run(self, found: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        results: list[Logits] = []
        for part in _portions(found):
            states = self._states({key: block for window in part for key, block in blocks(window)})
            results += self._answer(part, states)
        return results

    def _states(self, wanted: Mapping[object, Window]) -> dict[object, States]:
        known = {key: self._kept[key][1] for key in wanted if key in self._kept}
        missing = [key for key in wanted if key not in known]
        unread = [wanted[key] for key in missing]
        for group in batches(unread, self._budget, self._slack):
            for k, states in zip(group, self._encode([unread[k] for k in group]), strict=True):
                known[missing[k]] = states
        for key, block in wanted.items():
            self._keep(key, block, known[key])
        return known

    def _keep(self, key: object, block: Window, states: States) -> None:
        if key not in self._kept:
            self._tokens += block.tokens
        self._kept[key] = (block, states)
        self._kept.move_to_end(key)
        while self._tokens > KEPT:
            _, (oldest, _) = self._kept.popitem(last=False)
            self._tokens -= oldest.tokens


def _portions(found: Sequence[Window]) -> list[list[Window]]:
    """The windows in order, cut where `PORTION` tokens are full."""
    parts: list[list[Window]] = []
    used = 0
    for window in found:
        if not parts or used + window.tokens > PORTION:
            parts.append([])
            used = 0
        parts[-1].append(window)
        used += window.tokens
    return parts
