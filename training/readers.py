"""Rows of csv, tsv, jsonl, json, parquet and hub data sets, each with the place it came from."""

from __future__ import annotations

import csv
import glob
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from models.errors import DataError
from training.corpora import Corpus

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be used, or a part of it: `file`, line (row for parquet and hub data), field, reason."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {f'{self.field}: ' if self.field else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """One record as read, and where it stands."""

    file: str
    line: int
    data: dict[str, Any]


def read(corpus: Corpus, root: Path) -> Iterator[Row | Problem]:
    """Every row of a corpus, or the problem that keeps it from being one.

    Raises:
        DataError: nothing is there, or a file cannot be opened or is of an unknown kind.

    """
    if corpus.hub is not None:
        yield from _hub(corpus)
        return
    for path in files(corpus, root):
        yield from read_file(path, shown(path, root), quoted=corpus.quoted)


def files(corpus: Corpus, root: Path) -> list[Path]:
    """The files of a corpus, a folder's and a wildcard's in order of name."""
    paths = [file for path in _matches(root / str(corpus.path)) for file in _files_in(path)]
    if not paths:
        raise DataError(f"corpus {corpus.name}: path: {corpus.path}: no such file, or no data in it")
    return paths


def texts(corpus: Corpus, root: Path) -> list[Path]:
    """The files that hold the texts of a corpus whose labels lie apart."""
    found = []
    for pattern in [corpus.texts] if isinstance(corpus.texts, str) else corpus.texts or []:
        matches = [path for path in _matches(root / pattern) if path.is_file()]
        if not matches:
            raise DataError(f"corpus {corpus.name}: texts: {pattern}: no such file")
        found += matches
    return found


def _matches(pattern: Path) -> list[Path]:
    if not glob.has_magic(str(pattern)):
        return [pattern]
    return sorted(Path(name) for name in glob.glob(str(pattern)))


def _files_in(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file() and kind(file) is not None)
    return [path] if path.is_file() else []


def kind(path: Path) -> str | None:
    """The suffix that says how to read a file, `.gz` left off; nothing for other files."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix in SUFFIXES else None


def shown(path: Path, root: Path) -> str:
    """A path as the user would write it: relative to the root when it lies below it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def read_file(path: Path, name: str, *, quoted: bool = True) -> Iterator[Row | Problem]:
    """The rows of one file; `name` is how problems call it."""
    suffix = kind(path)
    try:
        if suffix == ".parquet":
            yield from _parquet(path, name)
        elif suffix == ".json":
            yield from _json(path, name)
        elif suffix in (".jsonl", ".ndjson"):
            with _open(path) as stream:
                yield from _jsonl(stream, name)
        elif suffix is not None:
            with io.TextIOWrapper(_open(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield from _table(text, name, "," if suffix == ".csv" else "\t", quoted)
        else:
            raise DataError(f"{name}: must end in one of {', '.join(SUFFIXES)} (.gz may follow)")
    except (OSError, EOFError) as error:
        raise DataError(f"{name}: cannot be read: {error}") from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _jsonl(stream: IO[bytes], name: str) -> Iterator[Row | Problem]:
    for line, raw in enumerate(stream, start=1):
        if raw.strip():
            yield _record(raw, name, line)


def _json(path: Path, name: str) -> Iterator[Row | Problem]:
    with _open(path) as stream:
        raw = stream.read()
    if raw.lstrip().startswith(b"["):
        try:
            items = json.loads(raw)
        except ValueError as error:
            yield Problem(name, 1, "", f"not JSON: {error}")
            return
        for place, item in enumerate(items, start=1):
            yield _row(item, name, place)
    else:
        yield _record(raw, name, 1)


def _record(raw: bytes, name: str, line: int) -> Row | Problem:
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Problem(name, line, "", f"not UTF-8: {error.reason} at byte {error.start}")
    except (ValueError, RecursionError) as error:
        return Problem(name, line, "", f"not JSON: {error}")
    return _row(data, name, line)


def _row(data: object, name: str, line: int) -> Row | Problem:
    if not isinstance(data, dict):
        return Problem(name, line, "", f"must be a JSON object, not {type(data).__name__}")
    return Row(name, line, data)


def _table(text: IO[str], name: str, delimiter: str, quoted: bool) -> Iterator[Row | Problem]:
    # Fields of whole articles are longer than the module's default limit of 128 KiB.
    csv.field_size_limit(1 << 30)
    if quoted:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    header = next(reader, None)
    if not header:
        yield Problem(name, 1, "", "no header line")
        return
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(name, line, "", f"not {'csv' if delimiter == ',' else 'tsv'}: {error}")
            continue
        if cells:
            yield _cells(header, cells, name, line)


def _cells(header: list[str], cells: list[str], name: str, line: int) -> Row | Problem:
    if len(cells) != len(header):
        return Problem(name, line, "", f"{len(cells)} fields, but the header names {len(header)}")
    for field, cell in zip(header, cells, strict=True):
        if any("\udc80" <= character <= "\udcff" for character in cell):
            return Problem(name, line, field, "not UTF-8")
    return Row(name, line, dict(zip(header, cells, strict=True)))


def _parquet(path: Path, name: str) -> Iterator[Row | Problem]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        line = 0
        for batch in pq.ParquetFile(path).iter_batches():
            for data in batch.to_pylist():
                line += 1
                yield Row(name, line, data)
    except pa.ArrowException as error:
        raise DataError(f"{name}: not parquet: {error}") from error


def _hub(corpus: Corpus) -> Iterator[Row | Problem]:
    from datasets import load_dataset

    split = corpus.hub_split or corpus.split
    name = f"{corpus.hub}@{split}"
    try:
        rows = load_dataset(corpus.hub, corpus.config, split=split, revision=corpus.revision)
    except (OSError, ValueError, ConnectionError) as error:
        raise DataError(f"corpus {corpus.name}: hub: {corpus.hub}: cannot be loaded: {error}") from error
    for line, data in enumerate(rows, start=1):
        yield Row(name, line, dict(data))
