from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

import tools.run
from models.errors import ConfigError
from models.labels import Voice
from qawl import Client
from tests.conftest import ROOT
from tests.tools.fakes import local, number
from tests.tools.test_client import Service
from tools import cli
from tools.journal import Journal
from tools.run import Job, batches, run
from tools.workers import Asked, Remote, in_order

TARGET = "أُغلق المعبر."


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.run, "worker_for", local)


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    rows = [{"id": str(i), "text": f"أغلقت السلطات المعبر {i}. وقال الوزير إنه سيفتح."} for i in range(100)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of `qawl tag`, as a shell sees it."""
    monkeypatch.setattr(sys, "argv", ["qawl", "tag", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def replies(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_jsonl_is_one_reply_a_line_in_order(articles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run(Job(inputs=(str(articles),), output=out, targets=(TARGET,), scores=True)) == 0
    found = replies(out)
    assert [reply["id"] for reply in found] == [str(i) for i in range(100)]
    assert {reply["targets"][0]["text"] for reply in found} == {TARGET}
    assert "type_scores" in found[0]["sentences"][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_pipe_gives_jsonl(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("أغلق المعبر. ثم فتح.".encode())))
    assert command(monkeypatch, "-") == 0
    (reply,) = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [s["text"] for s in reply["sentences"]] == ["أغلق المعبر.", "ثم فتح."]


def test_own_targets_come_before_the_options(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(
        '{"text": "أ."}\n{"text": "ب.", "target": "خاص"}\n{"text": "ج.", "targets": []}\n', encoding="utf-8"
    )
    run(Job(inputs=(str(path),), output=tmp_path / "out.jsonl", targets=(TARGET,)))
    found = [[target["text"] for target in reply["targets"]] for reply in replies(tmp_path / "out.jsonl")]
    assert found == [[TARGET], ["خاص"], []]


def test_where_keeps_sentences_and_leaves_out_empty_articles(articles: Path, tmp_path: Path) -> None:
    run(Job(inputs=(str(articles),), output=tmp_path / "all.jsonl"))
    run(Job(inputs=(str(articles),), output=tmp_path / "some.jsonl", where="voice=author and index=0"))
    expected = {
        reply["id"]: [s["text"] for s in reply["sentences"] if s["voice"]["label"] == Voice.AUTHOR and s["index"] == 0]
        for reply in replies(tmp_path / "all.jsonl")
    }
    found = {reply["id"]: [s["text"] for s in reply["sentences"]] for reply in replies(tmp_path / "some.jsonl")}
    assert found == {name: texts for name, texts in expected.items() if texts}
    assert 0 < len(found) < 100


def test_csv_has_a_row_a_sentence_and_columns_for_the_widest_article(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(
        '{"id": "a", "text": "خبر. نبأ.", "source": "س"}\n{"id": "b", "text": "ج، \\"د\\".", "targets": ["١", "٢"]}\n',
        encoding="utf-8",
    )
    run(Job(inputs=(str(path),), output=tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["article"], row["source"], row["text"]) for row in rows] == [
        ("a", "س", "خبر."),
        ("a", "س", "نبأ."),
        ("b", "in", 'ج، "د".'),
    ]
    assert [row["target_2"] for row in rows] == ["", "", "٢"]
    assert rows[2]["stance_1"]
    assert rows[0]["start"] == "0"


def test_csv_stream_cannot_widen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "أ.", "targets": ["١", "٢"]}\n{"text": "ب."}\n', encoding="utf-8")
    assert command(monkeypatch, path, "-f", "csv") == 1
    out, err = capsys.readouterr()
    assert err == f"{path}:1: has 2 targets, but the header has gone out with 1; write to a file (-o)\n"
    assert len(out.splitlines()) == 2


def test_parquet_keeps_lists_and_numbers(articles: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    run(Job(inputs=(str(articles),), output=tmp_path / "out.parquet", targets=(TARGET,)))
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(rows) == 200
    assert rows[0]["stances"][0]["target"] == 1
    assert rows[0]["stances"][0]["text"] == TARGET
    assert (rows[3]["article"], rows[3]["sentence"], rows[3]["file"]) == ("1", 1, str(articles))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.parquet"]


def test_table_shows_every_sentence(
    articles: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert command(monkeypatch, articles, "-f", "table", "-t", TARGET) == 0
    out = capsys.readouterr().out
    assert out.count("\u2068أغلقت السلطات المعبر") == 100
    # Every line with Arabic in it starts left to right, or a terminal that reorders moves the columns.
    assert all(line.lstrip().startswith(("\u200e", "\u2068", "#", "─")) for line in out.splitlines() if line.strip())


def test_bad_row_is_named_and_skipped(
    articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with articles.open("a", encoding="utf-8") as stream:
        stream.write('{"id": "bad", "text": "نص سيئ"}\n{}\n{"id": "last", "text": "خبر."}\n')
    assert command(monkeypatch, articles, "-o", tmp_path / "out.jsonl") == 1
    assert capsys.readouterr().err == f"{articles}:101: text: must not be bad\n{articles}:102: text: missing or empty\n"
    assert [reply["id"] for reply in replies(tmp_path / "out.jsonl")][-2:] == ["99", "last"]


def test_fail_fast_stops_at_the_bad_row(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = articles.read_text(encoding="utf-8").splitlines()
    lines[50] = '{"text": "سيئ"}'
    articles.write_text("\n".join(lines), encoding="utf-8")
    assert command(monkeypatch, articles, "-o", tmp_path / "out.jsonl", "--fail-fast") == 1
    assert not (tmp_path / "out.jsonl").exists()
    assert len(replies(tmp_path / "out.jsonl.part")) == 50
    # Repeating the command tries the bad row again, and only then what follows it.
    assert command(monkeypatch, articles, "-o", tmp_path / "out.jsonl") == 1
    assert [reply["id"] for reply in replies(tmp_path / "out.jsonl")] == [str(i) for i in range(100) if i != 50]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.txt"], "absent.txt: no such file or folder"),
        (["IN", "-w", "voice=x"], "--where: character 7, 'x': voice is one of author, attributed, mixed"),
        (["IN", "-o", "out.xlsx"], "-o out.xlsx: end it in .jsonl, .csv, .parquet or .html, or say --format"),
        (["IN", "-o", "no/where.csv"], "-o no/where.csv: no such folder: no"),
        (["IN", "-f", "html"], "--format html: needs a file: -o report.html"),
        (["IN", "-f", "parquet"], "--format parquet: needs a file: -o tags.parquet"),
        (["IN", "-o", "IN"], "IN: is there already; --overwrite replaces it"),
    ],
)
def test_user_errors_are_one_line(
    articles: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = [str(articles) if argument == "IN" else argument for argument in arguments]
    assert command(monkeypatch, *given) == 2
    assert capsys.readouterr().err == f"qawl: {message.replace('IN', str(articles))}\n"


class Killed(BaseException):
    """Stands for a kill in this process: nothing catches it."""


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("after", [1, 37, 100])
def test_killed_anywhere_it_goes_on(
    articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, after: int
) -> None:
    whole, out = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    job = {"inputs": (str(articles),), "targets": (TARGET,), "where": "index=0", "quiet": True}
    run(Job(output=whole, **job))
    kill_after(monkeypatch, after)
    with pytest.raises(Killed):
        run(Job(output=out, **job))
    monkeypatch.undo()
    monkeypatch.setattr(tools.run, "worker_for", local)
    assert not out.exists()
    assert run(Job(output=out, **job)) == 0
    assert content(out) == content(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.jsonl", out.name, whole.name])


def kill_after(monkeypatch: pytest.MonkeyPatch, articles: int) -> None:
    """Kill the run after that many articles, a checkpoint after each tenth of them."""
    taken = 0
    take = tools.run.Run._take

    def counting(self: tools.run.Run, *args: object) -> bool:
        nonlocal taken
        if taken == articles:
            raise Killed
        taken += 1
        result = take(self, *args)
        if taken % 10 == 0:
            self._note()
        return result

    def at_the_end(self: tools.run.Run, *, done: bool = False, note: Callable = tools.run.Run._note) -> None:
        note(self, done=done)
        if done:
            raise Killed

    monkeypatch.setattr(tools.run.Run, "_take", counting)
    monkeypatch.setattr(tools.run.Run, "_note", at_the_end)


def content(path: Path) -> object:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    return path.read_bytes()


def test_kill_minus_nine(articles: Path, tmp_path: Path) -> None:
    def start(out: Path, seconds: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "tests.tools.fakes", "tag", str(articles), "-o", str(out), "--threads", "1"]
        return subprocess.Popen(line, cwd=ROOT, env=os.environ | {"FAKE_SECONDS": seconds}, stderr=subprocess.PIPE)

    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    start(whole, "0").communicate()
    assert whole.exists()
    process = start(out, "1.1")
    journal = out.with_name("out.jsonl.journal")
    deadline = time.monotonic() + 60
    while not (journal.exists() and len(journal.read_text().splitlines()) > 1):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = start(out, "0")
    _, err = again.communicate()
    assert again.returncode == 0
    assert b"qawl: going on after" in err
    assert out.read_bytes() == whole.read_bytes()


def test_another_job_is_not_gone_on_with(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.jsonl"
    kill_after(monkeypatch, 20)
    with pytest.raises(Killed):
        run(Job(inputs=(str(articles),), output=out))
    monkeypatch.undo()
    monkeypatch.setattr(tools.run, "worker_for", local)
    with pytest.raises(ConfigError, match="belongs to an unfinished run with other --target, --scores; repeat"):
        run(Job(inputs=(str(articles),), output=out, targets=(TARGET,), scores=True))
    articles.write_text(articles.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="with other input;"):
        run(Job(inputs=(str(articles),), output=out))
    assert run(Job(inputs=(str(articles),), output=out, overwrite=True)) == 0
    assert len(replies(out)) == 100


def test_half_a_journal_line_is_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out", {"--target": []})
    journal.start()
    with journal.path.open("a") as stream:
        stream.write('{"place": nul')
    before = journal.resume()
    assert before is not None
    assert before.place is None
    journal.path.write_text("no json\n")
    with pytest.raises(ConfigError, match="not a journal of qawl"):
        journal.resume()


def test_part_that_was_cut_short_is_an_error(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_after(monkeypatch, 20)
    with pytest.raises(Killed):
        run(Job(inputs=(str(articles),), output=tmp_path / "out.jsonl"))
    monkeypatch.undo()
    monkeypatch.setattr(tools.run, "worker_for", local)
    (tmp_path / "out.jsonl.part").write_bytes(b"")
    with pytest.raises(ConfigError, match="was cut short"):
        run(Job(inputs=(str(articles),), output=tmp_path / "out.jsonl"))


def test_service_gives_what_the_tagger_gives(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with articles.open("a", encoding="utf-8") as stream:
        stream.write('{"id": "bad", "text": "نص سيئ"}\n')
    service = LabelledService()
    job = {"inputs": (str(articles),), "targets": (TARGET,), "quiet": True}
    assert run(Job(output=tmp_path / "here.jsonl", **job)) == 1
    monkeypatch.setattr(
        tools.run,
        "worker_for",
        lambda job, files: Remote(Client("http://q", transport=httpx.MockTransport(service)), job.asked),
    )
    assert run(Job(output=tmp_path / "there.jsonl", url="http://q", **job)) == 1
    assert (tmp_path / "here.jsonl").read_bytes() == (tmp_path / "there.jsonl").read_bytes()


class LabelledService(Service):
    """Refuses batches that hold an article of more than 2,000 characters as too large, and tells its labels."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/labels":
            return httpx.Response(200, json={"types": [{"id": "event"}]})
        if any(len(article["text"]) > 2000 for article in json.loads(request.content or b"{}").get("articles", ())):
            error = {"code": "too_large", "message": "over the limit", "details": []}
            return httpx.Response(413, json={"error": error})
        return super().__call__(request)


def test_batch_that_is_refused_whole_is_cut_until_the_culprit_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    rows = [{"text": "خبر. " * (1000 if i == 5 else 1)} for i in range(9)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    from tools.readers import Columns, read

    worker = Remote(Client("http://q", transport=httpx.MockTransport(LabelledService())), Asked())
    found = worker.tag(list(read([path], Columns())))
    assert [i for i, result in enumerate(found) if isinstance(result, str)] == [5]
    assert found[5] == "too_large: over the limit"


def test_in_order_keeps_order_and_reads_no_further_than_it_must() -> None:
    read = 0

    def items() -> object:
        nonlocal read
        for i in range(100):
            read += 1
            yield i

    ahead = []

    def slow_square(i: int) -> int:
        time.sleep(number(str(i), 5) / 1000)
        return i * i

    for item, result in in_order(slow_square, items(), 4):
        assert result == item * item
        ahead.append(read - item)
    assert len(ahead) == 100
    assert max(ahead) <= 9


def test_batches_are_cut_by_articles_and_by_size(articles: Path) -> None:
    from tools.readers import Columns, read

    sizes = [len(batch) for batch in batches(read([articles], Columns()))]
    assert sizes == [32, 32, 32, 4]
