"""Articles from txt, jsonl, csv and parquet files, folders, patterns and standard input, in flat memory."""

from __future__ import annotations

import glob
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ConfigError, DataError
from tools.articles import Article, Bad, Place
from training.readers import Problem, kind, read_file

STDIN = Path("-")
TEXT = (".txt",)
_PARQUET_ROWS = 256
"""Rows decoded at once: whole articles, so that a file of any size stays in a few MiB."""
_REQUEST = ("text", "sentences", "spans", "id", "title", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which fields of a row hold what; `target` is read beside the row's own `targets`."""

    text: str = "text"
    id: str = "id"
    title: str = "title"
    target: str = "target"
    source: str = "source"


def find(inputs: Iterable[str]) -> list[Path]:
    """The files that the arguments name, in order; folders are searched through.

    Raises:
        ConfigError: an argument names nothing that can be read.

    """
    return [path for given in inputs for path in _expand(given)]


def _expand(given: str) -> list[Path]:
    path = Path(given)
    if path == STDIN:
        return [STDIN]
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and _readable(file))
        if not found:
            raise ConfigError(f"{given}: no txt, jsonl, csv or parquet file in this folder")
        return found
    if path.is_file():
        if not _readable(path):
            raise ConfigError(f"{given}: must end in .txt, .jsonl, .csv, .tsv, .json or .parquet (.gz may follow)")
        return [path]
    matches = [Path(name) for name in sorted(glob.glob(given, recursive=True))] if glob.has_magic(given) else []
    found = [file for file in matches if file.is_file() and _readable(file)]
    if not found:
        raise ConfigError(f"{given}: no such file or folder")
    return found


def _readable(path: Path) -> bool:
    return path.suffix in TEXT or kind(path) is not None


def read(files: list[Path], columns: Columns, after: Place | None = None) -> Iterator[Article | Bad]:
    """Every article of the files, in order; those up to and including the place `after` are left out."""
    first = after.file if after else 0
    for number, path in enumerate(files[first:], start=first):
        skip = after.line if after and after.file == number else -1
        try:
            for item in _read(path, number, columns):
                if item.place.line > skip:
                    yield item
        except (DataError, OSError) as error:
            message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            yield Bad(Place(number, sys.maxsize, str(path)), f"the rest of the file cannot be read: {message}")


def _read(path: Path, number: int, columns: Columns) -> Iterator[Article | Bad]:
    name = str(path)
    if path == STDIN:
        yield from _stdin(number, columns)
    elif path.suffix in TEXT:
        yield _whole(path.read_bytes(), Place(number, 0, name), path.parent.name)
    elif kind(path) == ".parquet":
        for line, data in enumerate(_parquet(path, columns), start=1):
            yield _article(data, Place(number, line, name), columns, path.stem)
    else:
        for item in read_file(path, name):
            place = Place(number, item.line, name)
            if isinstance(item, Problem):
                yield Bad(place, f"{item.field}: {item.message}" if item.field else item.message)
            else:
                yield _article(item.data, place, columns, path.name.split(".")[0])


def _stdin(number: int, columns: Columns) -> Iterator[Article | Bad]:
    """One text, or one JSON object a line if the first character is a brace."""
    stream = sys.stdin.buffer
    lines = itertools.dropwhile(lambda line: not line.strip(), iter(stream.readline, b""))
    first = next(lines, b"")
    if not first.lstrip().startswith(b"{"):
        yield _whole(first + stream.read(), Place(number, 0, "stdin"), "stdin")
        return
    for line, raw in enumerate(itertools.chain([first], lines), start=1):
        place = Place(number, line, "stdin")
        try:
            data = json.loads(raw) if raw.strip() else None
        except (ValueError, RecursionError) as error:
            yield Bad(place, f"not JSON: {error}")
            continue
        if data is not None:
            yield _article(data, place, columns, "stdin")


def _whole(raw: bytes, place: Place, source: str) -> Article | Bad:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "convert it with: iconv -f windows-1256 -t utf-8"
        return Bad(place, f"not UTF-8 at byte {error.start}; if it is windows-1256, {hint}")
    return Article(place, {"id": place.name, "text": text}, source)


def _parquet(path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError('parquet needs pyarrow: pip install "qawl[bulk]"') from error
    try:
        with pq.ParquetFile(path) as file:
            wanted = {columns.text, columns.id, columns.title, columns.target, columns.source, *_REQUEST}
            present = [name for name in file.schema_arrow.names if name in wanted]
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=present):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(str(error).splitlines()[0]) from error


def _article(data: Any, place: Place, columns: Columns, source: str) -> Article | Bad:
    if not isinstance(data, Mapping):
        return Bad(place, f"must be a JSON object, not {type(data).__name__}")
    request = {field: data[field] for field in _REQUEST if data.get(field) not in (None, "")}
    for field, column in (("text", columns.text), ("id", columns.id), ("title", columns.title)):
        if column != field:
            request.pop(field, None)
            if data.get(column) not in (None, ""):
                request[field] = data[column]
    if data.get(columns.target) not in (None, ""):
        target = data[columns.target]
        request["targets"] = [*request.get("targets", ()), *(target if isinstance(target, list) else [target])]
    if "text" in request and "sentences" in request:
        # Labelled corpora often carry both; the given sentences are the finer of the two.
        del request["text"]
    request["id"] = str(request.get("id", place))
    reason = _shape(request, columns)
    given = data.get(columns.source)
    return Bad(place, reason) if reason else Article(place, request, str(given) if given else source)


def _shape(request: dict[str, Any], columns: Columns) -> str | None:
    """Why these fields are no request, else None; sentences given as objects become their texts."""
    if "sentences" in request and isinstance(request["sentences"], list):
        sentences = request["sentences"]
        request["sentences"] = [s.get("text") if isinstance(s, Mapping) else s for s in sentences]
    if "text" not in request and "sentences" not in request:
        return f"{columns.text}: missing or empty"
    for field in ("text", "title"):
        if field in request and not isinstance(request[field], str):
            return f"{getattr(columns, field)}: must be a text, not {type(request[field]).__name__}"
    for field in ("sentences", "targets"):
        value = request.get(field, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return f"{field}: must be a list of texts"
    return _spans(request)


def _spans(request: dict[str, Any]) -> str | None:
    if "spans" not in request:
        return None
    if "text" not in request:
        # They belong to the text that gave way to its sentences.
        del request["spans"]
        return None
    spans = request["spans"]
    pairs = isinstance(spans, list) and all(isinstance(s, list | tuple) and len(s) == 2 for s in spans)
    if not pairs or not all(isinstance(end, int) for span in spans for end in span):
        return "spans: must be a list of [start, end]"
    return None
