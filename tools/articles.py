"""An article on its way through the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an article stands: number of the file among the inputs, line or row in it (from 1)."""

    file: int
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


@dataclass(frozen=True, slots=True)
class Article:
    """An article to tag: `request` has the fields of the REST contract, `source` is the paper it came from."""

    place: Place
    request: dict[str, Any]
    source: str

    @property
    def size(self) -> int:
        """Characters to tag, each target counted as one more reading of the article."""
        own = len(self.request.get("text") or "") + sum(map(len, self.request.get("sentences") or ()))
        return own * (1 + len(self.request.get("targets") or ()))


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be tagged, and why."""

    place: Place
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
