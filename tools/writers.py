"""Where replies go: jsonl, csv, parquet or html files that survive a kill, or standard output."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from models.errors import ConfigError, DataError
from qawl import Tags
from tools.articles import Article

Reply = dict[str, Any]

_COMMON = ("article", "source", "file", "sentence", "start", "end", "text")
_TAGS = ("types", "type_score", "primary", "checkable", "voice", "voice_score", "truncated")


class Writer(Protocol):
    """Takes replies; what `checkpoint` returns, `resume` of a later run takes to drop whatever came after.

    `interval` is how many seconds should pass between checkpoints.
    """

    interval: float

    def write(self, article: Article, reply: Reply) -> None:
        """Add one article; DataError when this format cannot hold it."""

    def checkpoint(self) -> int:
        """Bring everything so far onto the disk, and say where it ends."""

    def resume(self, position: int) -> None:
        """Go on after `position`."""

    def finish(self) -> None:
        """Publish the output under its name."""

    def close(self) -> None:
        """Let go of open files, finished or not."""


class LineWriter:
    """Text, article by article, into `path` (under `path.part` until finished) or a stream.

    `render` turns an article into lines; `publish` makes the output out of the finished part, if it is not the
    part itself.
    """

    interval = 1.0

    def __init__(
        self,
        path: Path | None,
        render: Callable[[Article, Reply], str],
        *,
        head: str = "",
        publish: Callable[[Path, Path], None] = os.replace,
    ) -> None:
        self._path, self._render, self._head, self._publish = path, render, head, publish
        self._part = path.with_name(f"{path.name}.part") if path else None
        self._stream: IO[bytes] = sys.stdout.buffer
        self._begun = False

    def write(self, article: Article, reply: Reply) -> None:
        """Add one article."""
        self._begin()
        self._stream.write(self._render(article, reply).encode("utf-8"))
        if self._part is None:
            self._stream.flush()

    def checkpoint(self) -> int:
        """Bytes of the part, all on the disk."""
        if self._part is None:
            return 0
        self._begin()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def resume(self, position: int) -> None:
        """Cut the part back to `position` bytes."""
        if self._part is None or position == 0:
            return
        if not self._part.exists() or self._part.stat().st_size < position:
            raise ConfigError(f"{self._part}: is gone or was cut short; start afresh with --overwrite")
        self._stream = self._part.open("r+b")
        self._stream.truncate(position)
        self._stream.seek(position)
        self._begun = True

    def finish(self) -> None:
        """Give the finished output its name."""
        self._begin()
        if self._part is not None and self._path is not None:
            self.close()
            self._publish(self._part, self._path)

    def close(self) -> None:
        """Close the part."""
        if self._part is not None and self._begun:
            self._stream.close()

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        if self._part is not None:
            self._stream = self._part.open("wb")
        self._stream.write(self._head.encode("utf-8"))


class ParquetWriter:
    """One row a sentence; parts beside the output are joined at the end, since parquet cannot be appended to."""

    interval = 20.0
    _ROWS = 16_384

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ConfigError('parquet needs pyarrow: pip install "qawl[bulk]"') from error
        self._pa, self._pq = pa, pq
        self._path = path
        self._parts = path.with_name(f"{path.name}.parts")
        self._count = 0
        self._rows: list[dict[str, Any]] = []
        self._schema = _parquet_schema(pa)

    def write(self, article: Article, reply: Reply) -> None:
        """Add one article."""
        self._rows += [_parquet_row(row, article) for row in Tags.from_json(reply).rows()]
        if len(self._rows) >= self._ROWS:
            self._flush()

    def checkpoint(self) -> int:
        """Number of parts on the disk."""
        self._flush()
        return self._count

    def resume(self, position: int) -> None:
        """Drop the parts after the first `position`."""
        missing = [n for n in range(position) if not self._part(n).exists()]
        if missing:
            raise ConfigError(f"{self._part(missing[0])}: is gone; start afresh with --overwrite")
        for part in self._parts.glob("*.parquet"):
            if int(part.stem) >= position:
                part.unlink()
        self._count = position

    def finish(self) -> None:
        """Join the parts under the output's name."""
        self._flush()
        whole = self._path.with_name(f"{self._path.name}.part")
        with self._pq.ParquetWriter(whole, self._schema, compression="zstd") as writer:
            for number in range(self._count):
                writer.write_table(self._pq.read_table(self._part(number)))
        os.replace(whole, self._path)
        shutil.rmtree(self._parts, ignore_errors=True)

    def close(self) -> None:
        """Nothing stays open."""

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:08}.parquet"

    def _flush(self) -> None:
        if not self._rows:
            return
        self._parts.mkdir(exist_ok=True)
        table = self._pa.Table.from_pylist(self._rows, schema=self._schema)
        with self._part(self._count).open("wb") as stream:
            self._pq.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        self._count += 1
        self._rows = []


def _parquet_schema(pa: Any) -> Any:
    text, score = pa.string(), pa.float32()
    stance = pa.struct([("target", pa.int32()), ("text", text), ("label", text), ("score", score)])
    kinds = {
        "sentence": pa.int32(),
        "start": pa.int32(),
        "end": pa.int32(),
        "types": pa.list_(text),
        "type_score": score,
        "checkable": pa.bool_(),
        "voice_score": score,
        "truncated": pa.bool_(),
    }
    columns = [(name, kinds.get(name, text)) for name in (*_COMMON, *_TAGS)]
    return pa.schema([*columns, ("stances", pa.list_(stance))])


def _parquet_row(row: dict[str, Any], article: Article) -> dict[str, Any]:
    row |= {"source": article.source, "file": article.place.name}
    numbers = range(1, 1 + _targets(row))
    row["stances"] = [
        {"target": n, "text": row[f"target_{n}"], "label": row[f"stance_{n}"], "score": row[f"stance_{n}_score"]}
        for n in numbers
    ]
    return row


def jsonl(path: Path | None) -> LineWriter:
    """One reply of the REST contract a line."""
    return LineWriter(path, lambda _, reply: json.dumps(reply, ensure_ascii=False) + "\n")


def csv_writer(path: Path | None, targets: int) -> LineWriter:
    """One row a sentence, a few columns a target.

    A file has as many target columns as its articles need; a stream, whose header goes out first, has `targets`.
    """
    if path is not None:
        return LineWriter(
            path, lambda a, r: json.dumps(_flat_rows(a, r), ensure_ascii=False) + "\n", publish=_publish_csv
        )
    columns = _csv_columns(targets)

    def render(article: Article, reply: Reply) -> str:
        if len(reply["targets"]) > targets:
            raise DataError(
                f"has {len(reply['targets'])} targets, but the header has gone out with {targets}; write to a file (-o)"
            )
        return "".join(_csv_line([row.get(column) for column in columns]) for row in _flat_rows(article, reply))

    return LineWriter(path, render, head=_csv_line(columns))


def _publish_csv(part: Path, output: Path) -> None:
    """The finished csv out of the spooled rows; part by part, so that its size does not matter."""
    whole = output.with_name(f"{output.name}.whole")
    widest = max((_targets(row) for row in _spooled(part)), default=0)
    columns = _csv_columns(widest)
    # The mark at the front makes Excel read UTF-8; other readers skip it.
    with whole.open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        table.writerows([row.get(column) for column in columns] for row in _spooled(part))
    os.replace(whole, output)
    part.unlink()


def _spooled(part: Path) -> Iterator[dict[str, Any]]:
    with part.open(encoding="utf-8") as stream:
        for line in stream:
            yield from json.loads(line)


def _csv_columns(targets: int) -> list[str]:
    stances = [name.format(n) for n in range(1, targets + 1) for name in ("target_{}", "stance_{}", "stance_{}_score")]
    return [*_COMMON, *_TAGS, *stances]


def _csv_line(values: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


def _flat_rows(article: Article, reply: Reply) -> list[dict[str, Any]]:
    place = {"source": article.source, "file": article.place.name}
    return [row | place | {"types": "|".join(row["types"])} for row in Tags.from_json(reply).rows()]


def _targets(row: dict[str, Any]) -> int:
    return sum(name.startswith("target_") for name in row)


def html(path: Path | None, targets: tuple[str, ...]) -> LineWriter:
    """The report; a spool of replies until all are there."""
    if path is None:
        raise ConfigError("--format html: needs a file: -o report.html")

    def render(article: Article, reply: Reply) -> str:
        entry = {"source": article.source, "file": article.place.name, "title": article.request.get("title")}
        return json.dumps(entry | {"reply": reply}, ensure_ascii=False) + "\n"

    def publish(part: Path, output: Path) -> None:
        from tools.report import write_report

        write_report(part, output, targets)
        part.unlink()

    return LineWriter(path, render, publish=publish)
