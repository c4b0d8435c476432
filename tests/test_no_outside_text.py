"""No run of 40 characters of the outside data stands in a tracked text file; the project's own seeds may.

Two texts that share 40 characters share one of the 20-character blocks that one of them is cut into. So the
windows of the tracked files' Arabic are indexed, and the outside data is looked up block by block.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator

import pytest

from tests.conftest import ROOT

RUN = 40
BLOCK = RUN // 2
ARABIC = re.compile("[\u0621-\u064a]")
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
OUTSIDE = ("corpus", "gold", "labelled", "articles", "golden")
Place = tuple[str, int]


def plain(text: str) -> str:
    # Most of the outside data has single blanks already; splitting 300 million characters takes its time.
    flat = text.replace("\n", " ").replace("\u00a0", " ")
    return " ".join(flat.split()) if "  " in flat or "\t" in flat else flat


def tracked_texts() -> dict[str, str]:
    """Every tracked file that is UTF-8, escapes of JSON and JavaScript undone."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the project's git checkout, to know which files are tracked")
    texts = {}
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                text = path.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                continue
            texts[name] = plain(ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
    return texts


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def outside_texts(data) -> Iterator[str]:
    """The text of every outside file, a few megabytes at a time."""
    for folder in OUTSIDE:
        for path in sorted((data / folder).rglob("*")):
            if path.name.endswith(".zst"):
                yield from zst_texts(path)
            elif path.name.endswith(".tar.xz"):
                with tarfile.open(path) as archive:
                    members = [archive.extractfile(member) for member in archive if member.name.endswith(".json")]
                    yield from (text for member in members if member for text in strings(json.load(member)))
            elif path.is_file():
                raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                yield from file_texts(path.name, raw.decode("utf-8"))


def file_texts(name: str, text: str) -> Iterator[str]:
    if ".jsonl" in name:
        yield "\n".join(one for line in text.splitlines() if line for one in strings(json.loads(line)))
    elif name.endswith(".json"):
        yield "\n".join(strings(json.loads(text)))
    else:
        yield text


def zst_texts(path) -> Iterator[str]:
    zstandard = pytest.importorskip("zstandard", reason="needs zstandard (the train extra) to read the corpora")
    with path.open("rb") as stream:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(stream)
        lines = io.TextIOWrapper(reader, encoding="utf-8")
        rest = ""
        while chunk := lines.read(1 << 22):
            yield rest + chunk
            rest = chunk[-RUN:]


def windows(texts: dict[str, str]) -> dict[str, list[Place]]:
    """Where each window of `BLOCK` characters that is mostly Arabic stands."""
    found: dict[str, list[Place]] = {}
    for name, text in texts.items():
        # Only stretches around Arabic letters can hold outside text; the rest is code.
        for stretch in re.finditer(f"(?:[^{ARABIC.pattern[1:-1]}]{{0,{BLOCK}}}{ARABIC.pattern})+.{{0,{BLOCK}}}", text):
            for i in range(stretch.start(), stretch.end() - BLOCK + 1):
                window = text[i : i + BLOCK]
                if len(ARABIC.findall(window)) >= BLOCK // 2:
                    found.setdefault(window, []).append((name, i))
    return found


def shared_runs(outside: Iterable[str], texts: dict[str, str]) -> dict[str, Place]:
    """Runs of `RUN` characters that the outside data and the tracked files have in common, and where."""
    index = windows(texts)
    runs: dict[str, Place] = {}
    for raw in outside:
        text = plain(raw)
        for i in range(0, len(text), BLOCK):
            for name, j in index.get(text[i : i + BLOCK], ()):
                if run := grown(text, i, texts[name], j):
                    runs[run] = (name, j)
    return runs


def grown(a: str, i: int, b: str, j: int) -> str | None:
    """The common run around a common block, if it is long enough."""
    start = 0
    while start < RUN and min(i, j) > start and a[i - start - 1] == b[j - start - 1]:
        start += 1
    end = BLOCK
    while end < 2 * RUN and i + end < len(a) and j + end < len(b) and a[i + end] == b[j + end]:
        end += 1
    return a[i - start : i + end] if start + end >= RUN else None


def test_no_outside_text_is_tracked(shared, seed_articles):
    own = plain("\n".join(strings(seed_articles)))
    texts = {name: text for name, text in tracked_texts().items() if name != "seeds/articles.jsonl"}
    found = shared_runs(outside_texts(shared / "data"), texts)
    # A phrase of the seeds may happen to stand in a newspaper too.
    foreign = {run: place for run, place in found.items() if run not in own}
    places = sorted({f"{name}, character {at}" for name, at in foreign.values()})
    assert not places, f"outside text in {'; '.join(places)}"


def test_the_seeds_themselves_hold_no_outside_text(shared):
    ours = (ROOT / "seeds" / "articles.jsonl").read_bytes()
    assert ours == (shared / "data" / "seeds.jsonl").read_bytes()


def test_a_run_is_found_wherever_it_stands_and_a_shorter_one_is_not():
    outside = "مقدمة من غير هذا الباب. " + "وصل وفد القرية إلى السوق الكبير عند الفجر ومعه ثلاثون سلة من التمر"
    run = outside[27 : 27 + RUN]
    for before in ("", "x = 1\n", "# تعليق: "):
        assert shared_runs([outside], {"code.py": f'{before}"{run}"'})
        assert not shared_runs([outside], {"code.py": f'{before}"{run[:-2]}"'})
    escaped = json.dumps({"text": run})
    assert "\\u" in escaped
    undone = ESCAPE.sub(lambda match: chr(int(match[1], 16)), escaped)
    assert shared_runs([outside], {"a.json": undone})
