"""Progress with rate and time left, on stderr, for people only."""

from __future__ import annotations

import gzip
import itertools
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tools.articles import Place
from tools.readers import STDIN, TEXT
from training.readers import kind

_SAMPLE = 4 << 20


class Meter:
    """Counts what is done; shows it while it runs if `show`, and in one line at the end if `summary`."""

    def __init__(self, files: list[Path], *, show: bool, summary: bool) -> None:
        self._files = files
        self._lines: dict[int, float] = {}
        self._sizes = [0 if path == STDIN else path.stat().st_size for path in files]
        self._before = [0, *itertools.accumulate(self._sizes)]
        self._summary = summary
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[rate]}"),
            console=self._console,
            transient=True,
            disable=not show,
        )
        whole = sum(self._sizes) if STDIN not in files else None
        self._task = self._progress.add_task("tagging", total=whole, rate="")
        self.articles = self.sentences = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, place: Place, sentences: int) -> None:
        """One article more is done, the one at `place`."""
        self.articles += 1
        self.sentences += sentences
        if not self._progress.disable:
            rate = f"{counted(self.articles, 'article')}, {self._rate():,.0f} sentences/s"
            self._progress.update(self._task, completed=self._done(place), rate=rate)

    def report(self, message: str) -> None:
        """A line on stderr that does not disturb the bar."""
        if self._progress.disable:
            sys.stderr.write(f"{message}\n")
        else:
            self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def close(self, skipped: int) -> None:
        """Say in one line what was done; `skipped` rows could not be tagged, in all runs of the job."""
        if self._summary:
            took = time.monotonic() - self._started
            bad = f", {skipped:,} skipped" if skipped else ""
            done = f"{counted(self.articles, 'article')}, {counted(self.sentences, 'sentence')}{bad}"
            sys.stderr.write(f"{done} in {took:,.1f} s ({self._rate():,.0f} sentences/s)\n")

    def _rate(self) -> float:
        return self.sentences / max(time.monotonic() - self._started, 1e-9)

    def _done(self, place: Place) -> float:
        """Bytes of input that are done, by the estimated number of lines of the file at hand."""
        lines = self._lines.get(place.file)
        if lines is None:
            lines = self._lines[place.file] = estimated_lines(self._files[place.file])
        return self._before[place.file] + self._sizes[place.file] * min(1.0, place.line / lines if place.line else 1.0)


def counted(number: int, what: str) -> str:
    """`1 article`, `2 articles`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def estimated_lines(path: Path) -> float:
    """Lines (rows of parquet) of a file, from its first 4 MiB; at least one."""
    if path == STDIN or path.suffix in TEXT:
        return 1.0
    if kind(path) == ".parquet":
        import pyarrow.parquet as pq

        return float(max(pq.read_metadata(path).num_rows, 1))
    with path.open("rb") as stream:
        opened = gzip.GzipFile(fileobj=stream) if path.suffix == ".gz" else stream
        lines = opened.read(_SAMPLE).count(b"\n")
        # Of a gzip file, the stream tells how many compressed bytes those lines took.
        share = max(stream.tell(), 1) / max(path.stat().st_size, 1)
    return max(lines / share, 1.0)
