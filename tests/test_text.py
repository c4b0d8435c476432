from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text import NORMALISERS, SPECIAL_TOKENS, normalise

GOLDEN = Path(__file__).parent / "golden" / "normaliser.jsonl"
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)


def arabert(text: str) -> str:
    return normalise(text, "arabert-v02")


def plain(text: str) -> str:
    return normalise(text, "plain")


def rows(path: Path) -> list[dict[str, Any]]:
    # Not splitlines: the strings hold line separators that JSON leaves bare.
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def test_golden_pairs_of_the_reference(seed_articles):
    seeds = {article["id"]: article["sentences"] for article in seed_articles}
    wrong = []
    for row in rows(GOLDEN):
        text = row["input"] if "input" in row else seeds[row["article"]][row["sentence"]]["text"]
        if arabert(text) != row["output"]:
            wrong.append((text, arabert(text), row["output"]))
    assert not wrong


def test_golden_pairs_of_the_shared_data(shared):
    for row in rows(shared / "data" / "golden" / "golden_arabert_v02.jsonl"):
        assert arabert(row["input"]) == row["output"]


def test_special_tokens_come_out_whole():
    assert arabert("انظر https://example.com ثم و@user ثم @user") == "انظر [رابط] ثم [بريد] ثم [مستخدم]"
    for token in SPECIAL_TOKENS:
        assert arabert(f"نص {token} نص") == f"نص {token} نص"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ا\u0654كل ا\u0655ن ا\u0653من مو\u0654تمر ي\u0654س", "أكل إن آمن مؤتمر ئس"),
        ("خبر " + "a" * 300 + ".com/x خبر", "خبر [رابط] خبر"),
        ("خبر &#" + "1" * 5000 + "; خبر", "خبر خبر"),
    ],
)
def test_differences_from_arabert_made_on_purpose(text, expected):
    assert arabert(text) == expected


@pytest.mark.parametrize("text", ["😀", "ـــ", "\u064b\u0651", "\u200f\ufeff", "ﷺ", ""])
def test_nothing_to_read_becomes_empty(text):
    assert arabert(text) == ""


def test_plain_only_cleans():
    assert plain("  العـــربيّةُ\u200f \n ﻻ ﷲ\ufeff ") == "العربية لا الله"
    untouched = "@user https://example.com/a?b=1 COVID-19 ٣٫٥٪ «نص»… 😀 گچپ Ä"
    assert plain(untouched) == untouched
    assert plain("می\u200cخواهم") == "می خواهم"
    assert plain("ا\u0654كل") == "أكل"


@pytest.mark.parametrize("name", sorted(NORMALISERS))
@settings(deadline=None)
@given(text=ANY_TEXT)
def test_white_space_is_single_blanks(name, text):
    cleaned = normalise(text, name)
    assert cleaned == " ".join(cleaned.split())


@settings(deadline=None)
@given(text=ANY_TEXT)
def test_arabert_keeps_only_its_characters(text):
    kept = r"[0-9a-zA-Z\u0621-\u063a\u0641-\u064a\u0653-\u065f\u066a-\u066c\u0671-\u0674\u06da\u0b4d"
    kept += r" !\"#$%'()*+,.:;<=>?@\[\\\]^_`{|}~·٪’،؟“؛”»«–…‘—-]*"
    assert re.fullmatch(kept, arabert(text))


@settings(deadline=None)
@given(text=ANY_TEXT)
def test_plain_is_idempotent(text):
    assert plain(plain(text)) == plain(text)


@settings(deadline=None)
@given(text=st.text("ابتد زعر", max_size=60))
def test_bare_arabic_words_stay(text):
    words = re.sub(r"(.)\1{2,}", r"\1\1", text)
    assert arabert(text) == " ".join(words.split())
