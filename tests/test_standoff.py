"""Labels apart from their texts: joined by digest and offsets, never silently lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard
from pydantic import ValidationError

from models.errors import DataError
from models.labels import ClaimType, Stance, Voice
from tests.conftest import ROOT
from training.corpora import Corpus
from training.data import Loaded, load
from training.pretrain_data import articles_of
from training.standoff import digest

FIRST = "أُغلق المعبر.\nقال الوزير إن المعبر سيفتح غدا.\n"
SECOND = "وصل الوفد إلى القرية.\n"


def row(text: str, spans: list[tuple[int, int]], **changes: object) -> dict[str, object]:
    labels = {"types": [ClaimType.EVENT], "voice": Voice.AUTHOR, "stances": [Stance.AGREE]}
    sentences = [{"start": start, "end": end, **labels} for start, end in spans]
    return {"id": "a", "article": digest(text), "targets": ["المعبر مغلق"], "sentences": sentences, **changes}


@pytest.fixture
def joined(tmp_path):
    """Reads rows of labels against two articles, of which one file is compressed."""
    (tmp_path / "one.txt").write_text(f"{FIRST}\n", encoding="utf-8")
    (tmp_path / "two.txt.zst").write_bytes(zstandard.compress(f"سطر آخر\n\n{SECOND}".encode()))

    def read(*rows: dict[str, object]) -> Loaded:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        (tmp_path / "labels.jsonl").write_text(lines, encoding="utf-8")
        texts = ["one.txt", "two.txt.zst"]
        return load(Corpus(name="c", path="labels.jsonl", format="canonical", texts=texts), tmp_path)

    return read


def test_each_label_finds_its_sentence(joined):
    loaded = joined(row(FIRST, [(0, 13), (14, 45)]), row(SECOND, [(0, 21)], id="b"))
    assert loaded.problems == []
    assert [[s.text for s in article.sentences] for article in loaded.articles] == [
        ["أُغلق المعبر.", "قال الوزير إن المعبر سيفتح غدا."],
        ["وصل الوفد إلى القرية."],
    ]
    assert loaded.articles[0].sentences[0].stances == (frozenset((str(Stance.AGREE),)),)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"article": "0" * 24}, f"labels.jsonl:1: article: {'0' * 24!r}: no such text in this corpus's texts"),
        ({"article": None}, "labels.jsonl:1: article: is missing; it names the text that the labels are of"),
        ({"sentences": None}, "labels.jsonl:1: sentences: must be a list"),
        ({"sentences": [{}]}, "labels.jsonl:1: sentences.0: start, end: (None, None): must be 0 <= start < end <= 46"),
        (
            {"sentences": [{"start": 40, "end": 47}]},
            "labels.jsonl:1: sentences.0: start, end: (40, 47): must be 0 <= start < end <= 46",
        ),
        ({"surprise": 1}, "labels.jsonl:1: surprise: unknown field"),
    ],
)
def test_a_row_that_cannot_be_joined_is_listed(joined, changes, problem):
    loaded = joined(row(FIRST, [(0, 13)], **changes), row(SECOND, [(0, 21)], id="b"))
    assert [str(found) for found in loaded.problems] == [problem]
    assert [article.id for article in loaded.articles] == ["b"]


def test_texts_that_are_not_there_are_one_clear_error(tmp_path):
    (tmp_path / "labels.jsonl").write_text("{}\n", encoding="utf-8")
    corpus = Corpus(name="c", path="labels.jsonl", format="canonical", texts="none/*.zst")
    with pytest.raises(DataError, match=r"corpus c: texts: none/\*\.zst: no such file"):
        load(corpus, tmp_path)


def test_texts_go_with_canonical_articles_only():
    with pytest.raises(ValidationError, match="corpus c: texts: only go with canonical articles of a path"):
        Corpus(name="c", path="pairs.csv", format="pairs", texts="texts.txt")


def test_the_labels_of_the_project_fit_the_corpora(shared):
    texts = sorted((shared / "data" / "corpus").glob("*.txt.zst"))
    news = [str(path) for path in texts if next(iter(articles_of(path)))]
    loaded = load(Corpus(name="news", path="training/labels/news.jsonl", format="canonical", texts=news), ROOT)
    assert loaded.problems == []
    assert loaded.rows == len(loaded.articles) > 1000
    for article in loaded.articles:
        assert all(sentence.text == sentence.text.strip() for sentence in article.sentences)


def test_the_labels_of_the_project_hold_no_text():
    for line in (ROOT / "training" / "labels" / "news.jsonl").read_text(encoding="utf-8").splitlines():
        labels = json.loads(line)
        assert set(labels) == {"id", "source", "article", "targets", "sentences"}
        for sentence in labels["sentences"]:
            assert set(sentence) == {"start", "end", "types", "voice", "stances"}


def test_a_digest_is_of_the_text_as_it_stands(tmp_path: Path):
    (tmp_path / "t.txt").write_text(f"{FIRST}\n\n\n{SECOND}", encoding="utf-8")
    assert [digest("".join(lines)) for lines in articles_of(tmp_path / "t.txt")] == [digest(FIRST), digest(SECOND)]
