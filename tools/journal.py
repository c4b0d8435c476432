"""What a run has done so far, beside its output, so that a killed run goes on where it was.

One JSON object a line: first the job, then one checkpoint after another. A checkpoint is written after the output
it speaks of is on the disk; on resuming, output past the last checkpoint is dropped and its articles are redone.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.errors import ConfigError
from tools.articles import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything up to and including `place` is done; `position` is the writer's own mark.

    `done` says that nothing is left but to publish the output.
    """

    place: Place | None = None
    position: int = 0
    articles: int = 0
    sentences: int = 0
    bad: int = 0
    done: bool = False


def journal_path(output: Path) -> Path:
    """Where the journal of an output is."""
    return output.with_name(f"{output.name}.journal")


class Journal:
    """The journal of the output `output`; `job` is what the run was asked to do, as plain data."""

    def __init__(self, output: Path, job: dict[str, Any]) -> None:
        self.path = journal_path(output)
        self._job = job

    def resume(self) -> Checkpoint | None:
        """The last checkpoint of a killed run of this job; None when there was none.

        Raises:
            ConfigError: the journal belongs to another job.

        """
        lines = self._lines()
        if not lines:
            return None
        differs = [name for name in self._job if lines[0].get(name) != self._job[name]]
        if differs:
            raise ConfigError(
                f"{self.path}: belongs to an unfinished run with other {', '.join(differs)}; "
                "repeat that command, or start afresh with --overwrite"
            )
        if len(lines) == 1:
            return Checkpoint()
        last = lines[-1]
        place = last.pop("place")
        return Checkpoint(place=Place(**place) if place else None, **last)

    def start(self) -> None:
        """Begin a new journal."""
        self.path.write_text(json.dumps(self._job, ensure_ascii=False) + "\n", encoding="utf-8")

    def write(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint; what it speaks of must be on the disk already."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(checkpoint), ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def remove(self) -> None:
        """Forget it all: the output is published."""
        self.path.unlink(missing_ok=True)

    def _lines(self) -> list[dict[str, Any]]:
        """Whole lines only: the last one may be cut off where the run was killed."""
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        lines = text[: text.rfind("\n") + 1].splitlines()
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise ConfigError(f"{self.path}: not a journal of qawl ({error}); delete it to start afresh") from error
