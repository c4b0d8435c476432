"""Replies as tables in a terminal.

Arabic stands in the last column, isolated, after a left-to-right mark: terminals that reorder right-to-left text
then keep the columns before it in place, and those that do not lose nothing.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.labels import MIXED, ClaimType, Stance, Voice
from qawl import DocumentStance, Sentence, Tags
from tools.articles import Article

_STYLES: dict[str, str] = {
    ClaimType.EVENT: "cyan",
    ClaimType.QUANTITY: "blue",
    ClaimType.CAUSE: "magenta",
    ClaimType.RULE: "bright_blue",
    ClaimType.PREDICTION: "yellow",
    ClaimType.INTENT: "bright_yellow",
    ClaimType.DEMAND: "bright_magenta",
    ClaimType.EVALUATION: "green",
    Voice.ATTRIBUTED: "italic",
    Stance.AGREE: "bold green",
    Stance.DISAGREE: "bold red",
    Stance.UNRELATED: "dim",
}
_WIDE = 110
"""Columns of a terminal from which on there is room for probabilities."""
_LRM, _FSI, _PDI = "\u200e", "\u2068", "\u2069"


class TableWriter:
    """Prints each article as it comes; nothing to resume."""

    interval = float("inf")

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def write(self, article: Article, reply: dict[str, Any]) -> None:
        """Print one article."""
        tags = Tags.from_json(reply)
        self._console.print(Text(f"{_LRM}{isolated(tags.id or str(article.place))}", style="bold"))
        for target in tags.targets:
            stance = next((d for d in tags.document if d.target == target.index), None)
            self._console.print(_target_line(target.index + 1, target.text, stance))
        self._console.print(_table(tags, scores=self._console.width >= _WIDE))

    def checkpoint(self) -> int:
        """Nothing is kept."""
        return 0

    def resume(self, position: int) -> None:
        """Nothing to go on from."""

    def finish(self) -> None:
        """Nothing to publish."""

    def close(self) -> None:
        """Nothing is open."""


def isolated(text: str) -> str:
    """Text of unknown direction, set apart from its neighbours; one line."""
    return f"{_FSI}{' '.join(text.split())}{_PDI}"


def _target_line(number: int, text: str, stance: DocumentStance | None) -> Text:
    line = Text(f"{_LRM}  {number}. ")
    if stance is not None:
        label = MIXED if stance.mixed else stance.label
        counts = ", ".join(f"{label} {count}" for label, count in stance.counts.items() if count)
        line.append(label, style=_STYLES.get(stance.label, ""))
        line.append(f" ({counts})  ", style="dim")
    return line.append(isolated(text))


def _table(tags: Tags, *, scores: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("types")
    table.add_column("voice", no_wrap=True)
    for target in tags.targets:
        table.add_column(f"target {target.index + 1}", no_wrap=True)
    table.add_column("sentence", ratio=1)
    for sentence in tags.sentences:
        table.add_row(*_cells(sentence, scores))
    return table


def _cells(s: Sentence, scores: bool) -> list[Text]:
    types = Text("\n").join(_label(scored.label, scored.score, scores) for scored in s.types)
    stances = [_label(st.label, st.score, scores) if st.label else Text("its source", "dim") for st in s.stances]
    return [
        Text(f"{_LRM}{s.index + 1}", style="dim"),
        types,
        _label(s.voice.label, s.voice.score, scores),
        *stances,
        Text(isolated(s.text)),
    ]


def _label(label: str, score: float | None, with_score: bool) -> Text:
    text = Text(label, style=_STYLES.get(label, ""))
    return text.append(f" {score:.2f}", style="dim") if with_score and score is not None else text
