"""Random and hostile text through the normalisers and the segmenter: no error, no slow growth."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from models.segment import segment
from models.text import NORMALISERS

FUNCTIONS: dict[str, Callable[[str], object]] = {**NORMALISERS, "segment": segment}
ROUNDS = 1500

PIECES = [*"ًـ@وةب1٣۴٫٪./…?&#=-_<>[]«»“”\"'() \n\t\r😀ﻻپéß؟!،:|+~%•、。"]
PIECES += ["http", "https", "://", "www.", ".com", ".co", "a.b", "x@y", "باء", "23", "..", "<br />", "</b>", "[رابط]"]
PIECES += ["&amp;", "&lt;", "&#1575;", "&#", "!!!", "هههه", "د.", "Mr.", "12.", "5."]
PIECES += ["\x00", "\u2028", "\u200f", "\ufe0f", "\u0301", "\u0654", "\ud800", "\U0010ffff"]

UNITS = [*'اa.1@-!<>&"«»“(_… \n']
UNITS += ["a.", "http://", "www", "www.", ".com", "a.com", "://", "https://a", "a.co", "a@", "a@b.", "a-", "b."]
UNITS += ["&#", "&amp;", "&a", "<a", "<>", "</", "1ا", "1.1.", "12.", "[رابط]", "é.cc", "ab.ccccc", "httphttp://"]
UNITS += ['."', ".»", "«a»", '"ا', "«ا.", "ا\n", "\u064b", "\u0654", "ا\u0654", "\u0301\u0327", "\ud800", "\u200f."]
UNITS += ["a@b ", "ab.cd "]
UNITS += [". ", "! ", "… ", '"ا. ', "«ا. ", "(ا. ", "د. ", "1. ", "12. 5. 2015 ", '. "', "نص. ", "😀. ", "Mr. "]

SMALL, FACTOR = 6_000, 8
# Linear work grows by FACTOR, quadratic by FACTOR²; the limit lies between, far from both.
LIMIT = 3 * FACTOR
# What takes less than this for SMALL * FACTOR characters does not look at each of them for each other one.
QUICK = 0.03


def random_text(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(0, 40)):
        if rng.random() < 0.7:
            parts.append(rng.choice(PIECES))
        else:
            parts.append(chr(rng.randrange(rng.choice((0x80, 0x800, 0x10000, 0x110000)))))
    return "".join(parts)


@pytest.mark.parametrize("name", sorted(NORMALISERS))
def test_any_text_is_normalised_alone_as_with_blanks_around(name):
    rng = random.Random(name)
    for _ in range(ROUNDS):
        text = random_text(rng)
        assert NORMALISERS[name](text) == NORMALISERS[name](f" {text} ")


def test_any_text_is_covered():
    rng = random.Random(1)
    for _ in range(ROUNDS):
        text = random_text(rng)
        spans = segment(text)
        inside = "".join(text[start:end] for start, end in spans)
        assert sorted(spans) == spans
        assert "".join(inside.split()) == "".join(text.split())


def cost(function: Callable[[str], object], text: str) -> float:
    """Processor seconds of one call; what else runs on the machine is not counted."""
    began = time.process_time()
    function(text)
    return time.process_time() - began


def grows_too_fast(function: Callable[[str], object], unit: str) -> bool:
    text = unit * (SMALL // len(unit))
    large = min(cost(function, text * FACTOR) for _ in range(2))
    if large < QUICK:
        return False
    # The clock says little below a millisecond, and the larger small value only helps linear work.
    return large / max(max(cost(function, text) for _ in range(3)), 0.001) > LIMIT


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_time_is_linear(name):
    assert not [unit for unit in UNITS if grows_too_fast(FUNCTIONS[name], unit)]


def test_the_measure_sees_quadratic_work():
    def quadratic(text: str) -> int:
        return sum(text.count("ب") for _ in range(len(text) // 4))

    assert grows_too_fast(quadratic, "ا")
