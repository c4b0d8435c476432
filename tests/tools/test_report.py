from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import tools.run
from models.labels import SCHEME, Stance, Voice
from tests.conftest import ROOT
from tests.page.serving import CHROMIUM
from tests.tools.fakes import local
from tools import report
from tools.chart import Bar, diverging
from tools.run import Job, run

TARGETS = ("أُغلق المعبر.", "سيفتح المعبر غدا.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds report.html, and tags.jsonl with the replies that it was made of; twelve articles of three papers."""
    folder = tmp_path_factory.mktemp("report")
    for source in ("الجريدة", "<b>المرصد</b>", "c"):
        for i in range(4):
            path = folder / "in" / source.replace("/", "∕") / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = 6 if source == "c" else 5
            text = "\n".join(
                f"خبر رقم {i} سطر {k} من {source} </script><script>alert(1)</script>." for k in range(lines)
            )
            path.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools.run, "worker_for", local)
        for name in ("report.html", "tags.jsonl"):
            run(Job(inputs=(str(folder / "in"),), targets=TARGETS, output=folder / name, quiet=True))
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[str, list[dict]]:
    """The page, and the replies that it was made of."""
    lines = (folder / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    return (folder / "report.html").read_text(encoding="utf-8"), [json.loads(line) for line in lines]


def embedded(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def source_of(reply: dict) -> str:
    return Path(reply["id"]).parent.name


def test_every_number_has_its_sentences(made: tuple[str, list[dict]]) -> None:
    page, replies = made
    lists = embedded(page)["evidence"]["lists"]
    rows = embedded(page)["evidence"]["rows"]
    expected: Counter[str] = Counter()
    for reply in replies:
        for s in reply["sentences"]:
            for stance in s["stances"]:
                expected["\t".join(["stance", source_of(reply), str(stance["target"]), stance["label"]])] += 1
            for scored in s["types"]:
                expected["\t".join(["type", source_of(reply), scored["label"]])] += 1
    expected = Counter({k: n for k, n in expected.items() if not k.endswith(Stance.UNRELATED)})
    assert {key: len(found) for key, found in lists.items()} == expected
    for key, found in lists.items():
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert {rows[number]["s"] for number, _ in found} == {key.split("\t")[1]}
    buttons = re.findall(r'class="n" data-key="(.*?)">([\d,]+)</button>', page)
    shown = {key.replace("&lt;", "<").replace("&gt;", ">"): int(count) for key, count in buttons}
    assert shown == {key: n for key, n in expected.items() if key.startswith("stance")}


def test_page_is_whole_and_lets_nothing_in_or_out(made: tuple[str, list[dict]]) -> None:
    page, _ = made
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>المرصد" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "default-src 'none'" in page

    class Balanced(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.ids: list[str] = []

        def handle_starttag(self, tag: str, attrs: list) -> None:
            self.ids += [value for name, value in attrs if name == "id"]
            if tag not in ("meta", "input"):
                self.open.append(tag)

        def handle_startendtag(self, tag: str, attrs: list) -> None:
            """An SVG shape: opens nothing."""

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)


def test_both_languages_say_everything(made: tuple[str, list[dict]]) -> None:
    page, _ = made
    assert page.count('<span lang="ar"') == page.count('<span lang="en"') > 50
    for label in (*SCHEME.types, *SCHEME.stances):
        assert label.arabic in page
        assert label.english in page


def entry(text: str, targets: list[dict], stances: list[str], voice: str = Voice.AUTHOR) -> dict:
    scored = [{"target": i, "label": label, "score": 0.9} for i, label in enumerate(stances)]
    sentence = {"index": 0, "start": 0, "end": 1, "text": text, "types": [{"label": "own type", "score": 0.5}]}
    sentence |= {"primary": "own type", "checkable": False, "voice": {"label": voice, "score": 1.0}}
    counts = dict.fromkeys(SCHEME.stances and [s.id for s in SCHEME.stances], 0)
    document = [{**one, "mixed": False, "counts": counts} for one in scored]
    reply: dict[str, Any] = {"id": None, "model": {}, "offset_unit": "codepoint", "targets": targets, "usage": {}}
    reply |= {"sentences": [sentence | {"stances": scored}], "document": {"stances": document}}
    return {"source": "س", "file": "f", "title": None, "reply": reply}


def target(index: int, text: str, source: str = "caller") -> dict:
    return {"index": index, "text": text, "source": source}


def test_default_targets_are_no_claims_of_the_reader() -> None:
    page = report.render([entry("أ", [target(0, "من العنوان", "title")], [Stance.AGREE])])
    assert "من العنوان" not in page
    assert "own type" in page


def test_asked_targets_come_first_and_rare_ones_are_left_out() -> None:
    entries = [entry("أ", [target(0, f"ادعاء {i}")], [Stance.AGREE]) for i in range(30)]
    entries += [entry("أ", [target(0, "كثير")], [Stance.AGREE])] * 2
    tally = report.Tally()
    for one in entries:
        tally.add(one)
    chosen = report.chosen_targets(tally.cells, ["ادعاء 29", "لم يرد"])
    assert chosen[:3] == ["ادعاء 29", "كثير", "ادعاء 0"]
    assert len(chosen) == report.TARGETS
    assert "11 more targets" in report.render(entries)


def test_only_the_surest_sentences_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_EVIDENCE", 3)
    tally = report.Tally()
    for i in range(9):
        one = entry(f"جملة {i}", [target(0, "ت")], [Stance.AGREE])
        one["reply"]["sentences"][0]["stances"][0]["score"] = (i * 7 % 9) / 10
        tally.add(one)
    assert [row["p"] for row in tally.evidence(["stance", "س", "ت", Stance.AGREE])] == [0.8, 0.7, 0.6]


def test_net_stance_and_bar() -> None:
    cell = report.Cell()
    assert (cell.net, cell.related) == (0.0, 0)
    cell.sentences.update({(Stance.AGREE, Voice.AUTHOR): 1, (Stance.AGREE, Voice.ATTRIBUTED): 2})
    cell.sentences.update({(Stance.DISAGREE, Voice.MIXED): 1, (Stance.UNRELATED, Voice.AUTHOR): 99})
    assert (cell.related, cell.net) == (4, 0.5)
    bar = cell.bar()
    assert (bar.own[Stance.AGREE], bar.others[Stance.AGREE], bar.others[Stance.DISAGREE]) == (0.25, 0.5, 0.25)
    svg = diverging(bar, "<س>")
    assert "&lt;س&gt;" in svg
    boxes = re.findall(r'x="([\d.]+)" y="3" width="([\d.]+)" height="16" class="(\w+)"', svg)
    assert boxes == [
        ("200.0", "50.0", "agree"),
        ("250.0", "100.0", "agree"),
        ("250.0", "100.0", "stripes"),
        ("150.0", "50.0", "disagree"),
        ("150.0", "50.0", "stripes"),
    ]
    assert 'class="few"' in svg
    assert 'class="few"' not in diverging(Bar(bar.own, bar.others, 5), "")


def test_page_in_a_browser(folder: Path) -> None:
    pytest.importorskip("playwright", reason="needs playwright (the dev extra)")
    if CHROMIUM is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    command = [sys.executable, "-m", "tests.tools.report_in_browser", str(folder / "report.html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["violations"] == []
    assert seen["said"] == []
    assert seen["width light"] == seen["width dark"] == 390
    assert seen["sentences"] == seen["number"] > 0
    assert seen["closed"]
    assert seen["largest first"] == [24, 20, 20]
    assert seen["smallest first"] == [20, 20, 24]
    assert seen["found"] == 4
    assert seen["english"] == ["Who says what, and where they stand", "ltr"]
