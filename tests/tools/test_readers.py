from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.errors import ConfigError
from tools.articles import Article, Bad
from tools.progress import estimated_lines
from tools.readers import Columns, find, read

TEXT = "أغلقت السلطات المعبر."


def items(path: Path, **columns: str) -> list[Article | Bad]:
    return list(read(find([str(path)]), Columns(**columns)))


def write_jsonl(path: Path, *rows: object) -> Path:
    lines = "".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(lines, encoding="utf-8")
    return path


def test_find_expands_folders_and_patterns_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.jsonl", "notes.md", "sub/c.csv", "sub/d.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [p.name for p in find([str(tmp_path)])] == ["a.jsonl", "b.txt", "c.csv", "d.jsonl.gz"]
    assert [p.name for p in find([str(tmp_path / "**/*.csv"), str(tmp_path / "b.txt")])] == ["c.csv", "b.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.txt", "no such file"),
        ("*.txt", "no such file"),
        ("notes.md", "must end in"),
        ("empty", "no txt, jsonl"),
    ],
)
def test_find_names_what_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=message):
        find([str(tmp_path / name)])


def test_txt_is_one_article(tmp_path: Path) -> None:
    path = tmp_path / "paper" / "a.txt"
    path.parent.mkdir()
    path.write_text(f"\ufeff{TEXT}\nسطر ثان.", encoding="utf-8")
    (article,) = items(path)
    assert article.request == {"id": str(path), "text": f"{TEXT}\nسطر ثان."}
    assert (article.source, str(article.place)) == ("paper", str(path))


def test_txt_of_another_encoding_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode("windows-1256"))
    (bad,) = items(tmp_path / "a.txt")
    assert str(bad).startswith(f"{tmp_path / 'a.txt'}: not UTF-8 at byte 0; if it is windows-1256, convert it with")


def test_jsonl_rows_and_their_places(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "a.jsonl",
        {"id": 7, "text": TEXT, "title": "عنوان", "targets": ["أ", "ب"], "source": "الجريدة", "other": 1},
        "\n",
        {"text": TEXT, "target": "ج"},
        "{broken\n",
        [1],
        {"title": "بلا نص"},
        {"text": 5},
        {"text": TEXT, "targets": "أ"},
        {"sentences": [{"text": "جملة.", "types": []}, "أخرى."], "text": TEXT, "spans": [[0, 1]]},
        {"text": TEXT, "spans": [[0, 3], [4, "x"]]},
        {"sentences": ["a", 1]},
    )
    found = items(path)
    assert found[0] == Article(
        found[0].place, {"id": "7", "text": TEXT, "title": "عنوان", "targets": ["أ", "ب"]}, "الجريدة"
    )
    assert found[1] == Article(found[1].place, {"id": f"{path}:3", "text": TEXT, "targets": ["ج"]}, "a")
    reasons = [(item.place.line, item.reason) for item in found if isinstance(item, Bad)]
    assert [line for line, _ in reasons] == [4, 5, 6, 7, 8, 10, 11]
    assert [reason for line, reason in reasons if line != 4] == [
        "must be a JSON object, not list",
        "text: missing or empty",
        "text: must be a text, not int",
        "targets: must be a list of texts",
        "spans: must be a list of [start, end]",
        "sentences: must be a list of texts",
    ]
    assert reasons[0][1].startswith("not JSON")
    assert [i.request for i in found if i.place.line == 9] == [{"id": f"{path}:9", "sentences": ["جملة.", "أخرى."]}]


def test_columns_are_renamed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'رقم,body,text,claim,paper\n1,"{TEXT}",ليس هذا,ادعاء,الجريدة\n2,,x,,\n', encoding="utf-8")
    good, bad = items(path, text="body", id="رقم", target="claim", source="paper")
    assert good == Article(good.place, {"id": "1", "text": TEXT, "targets": ["ادعاء"]}, "الجريدة")
    assert str(bad) == f"{path}:3: body: missing or empty"


def test_parquet_gives_the_rows_of_jsonl(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    rows = [{"id": str(i), "text": f"{TEXT} {i}", "targets": ["أ"], "noise": i} for i in range(600)]
    rows.append({"id": "x", "text": None, "targets": None, "noise": 0})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    write_jsonl(tmp_path / "a.jsonl", *rows)
    found = items(tmp_path / "a.parquet")
    expected = items(tmp_path / "a.jsonl")
    assert [i.request for i in found[:-1]] == [i.request for i in expected[:-1]]
    assert [i.place.line for i in found] == [i.place.line for i in expected]
    assert found[-1].reason == expected[-1].reason == "text: missing or empty"
    assert estimated_lines(tmp_path / "a.parquet") == 601


def test_broken_file_is_reported_and_the_next_one_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nonsense")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": TEXT}).encode() * 1)[:-4])
    write_jsonl(tmp_path / "c.jsonl", {"text": TEXT})
    found = list(read(find([str(tmp_path)]), Columns()))
    assert [type(item) for item in found] == [Bad, Bad, Article]
    assert "a.parquet" in str(found[0])


def test_reading_goes_on_after_a_place(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_jsonl(tmp_path / f"{name}.jsonl", *({"id": f"{name}{i}", "text": TEXT} for i in range(4)))
    files = find([str(tmp_path)])
    whole = list(read(files, Columns()))
    for i, item in enumerate(whole):
        assert list(read(files, Columns(), item.place)) == whole[i + 1 :]


@pytest.mark.parametrize(
    "raw", [f"\n{TEXT}\n{TEXT}\n", f'\n{{"text": "{TEXT}"}}\n\n{{bad\n{{"text": "{TEXT}", "id": "b"}}\n']
)
def test_stdin_is_a_text_or_jsonl(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw.encode())))
    found = list(read(find(["-"]), Columns()))
    if "{" not in raw:
        assert [i.request for i in found] == [{"id": "stdin", "text": f"{TEXT}\n{TEXT}\n"}]
    else:
        assert [type(i) for i in found] == [Article, Bad, Article]
        assert (found[0].request["id"], found[2].request["id"]) == ("stdin:1", "b")


def test_lines_are_estimated_from_the_start_of_a_file(tmp_path: Path) -> None:
    line = json.dumps({"text": TEXT * 40}) + "\n"
    (tmp_path / "a.jsonl").write_text(line * 20_000)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((line * 20_000).encode()))
    assert estimated_lines(tmp_path / "a.jsonl") == pytest.approx(20_000, rel=0.01)
    assert 5_000 < estimated_lines(tmp_path / "a.jsonl.gz") < 80_000
    assert estimated_lines(tmp_path / "a.txt") == 1
