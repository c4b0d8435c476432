"""Engines run a bundle's network: token windows in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.labels import STANCES, VOICES
from models.windows import Window

Logits = NDArray[np.float32]
"""(scored sentences of a window, `Heads.width`): the outputs of all heads side by side."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Where each head's outputs stand in a row of logits."""

    type_count: int

    @property
    def types(self) -> slice:
        """One sigmoid per claim type."""
        return slice(0, self.type_count)

    @property
    def primary(self) -> slice:
        """A softmax over the claim types."""
        return slice(self.type_count, 2 * self.type_count)

    @property
    def voice(self) -> slice:
        """A softmax over the voices."""
        return slice(2 * self.type_count, 2 * self.type_count + len(VOICES))

    @property
    def stance(self) -> slice:
        """A softmax over the stances toward the window's target."""
        return slice(self.voice.stop, self.width)

    @property
    def width(self) -> int:
        """Outputs a sentence."""
        return 2 * self.type_count + len(VOICES) + len(STANCES)


class Engine(Protocol):
    """Runs the network on windows of any documents, mixed; neighbours do not change an answer."""

    name: str

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given; only those `answered` mean anything."""
        ...


def answered(window: Window) -> slice:
    """The outputs that may be read from a window: all of them beside no target, stance's (the last) beside one."""
    return slice(-len(STANCES), None) if window.beside else slice(None)


def split(logits: Logits, windows: Sequence[Window]) -> list[Logits]:
    """The rows of a batch's logits, window by window."""
    return np.split(logits, np.cumsum([len(window.scored) for window in windows])[:-1])


def batches(windows: Sequence[Window], budget: int, slack: float) -> list[list[int]]:
    """Indices of windows grouped by length, longest first.

    A batch holds at most `budget` padded tokens (one window at least), and padding to its longest window adds
    at most `slack` of the tokens.
    """
    order = sorted(range(len(windows)), key=lambda i: -windows[i].tokens)
    groups: list[list[int]] = []
    longest = used = 0
    for i in order:
        tokens = windows[i].tokens
        size = len(groups[-1]) + 1 if groups else 0
        if not groups or size * longest > budget or size * longest > (1 + slack) * (used + tokens):
            groups.append([])
            longest, used = tokens, 0
        groups[-1].append(i)
        used += tokens
    return groups
