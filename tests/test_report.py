"""The page of an evaluation stands alone, shows the figures and cannot be injected into."""

from __future__ import annotations

import copy
import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tests.conftest import ROOT
from training.data import source_of
from training.evaluate import Options, evaluate
from training.report import print_report, render_html, verdict

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects the text and what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.outside, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.outside += [v for k, v in attributes if k in ("src", "href", "action") and not (v or "").startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def data(tiny_bundle):
    options = Options(baselines=True, train=[source_of(ROOT / "seeds", split="test")])
    return evaluate(tiny_bundle, [source_of(ROOT / "seeds", split="dev")], options, root=ROOT).data


def read(html):
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def number(value):
    return f"{value:.3f}".replace("0.", ".", 1)


def test_the_page_is_whole_and_needs_nothing_from_the_network(data):
    html = render_html(data)
    page = read(html)
    assert page.outside == []
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://", html)
    text = " ".join(page.words)
    heads = data["corpora"][0]["heads"]
    for head in ("types", "voice", "stance"):
        assert number(heads[head]["macro_f1"]["value"]) in text
        for row in heads[head]["labels"]:
            assert row["label"] in text
    assert data["bundle"]["fingerprint"] in text
    assert "no person has checked them" in text
    # A reliability plot for three heads and a threshold curve for eight types.
    assert page.tags.count("svg") == 3 + 8


def test_names_are_escaped(data):
    hostile = copy.deepcopy(data)
    hostile["bundle"]["name"] = hostile["corpora"][0]["name"] = "<script>alert(1)</script>"
    curves = hostile["corpora"][0]["threshold_curves"]
    curves['"><script>'] = curves.pop(next(iter(curves)))
    page = read(render_html(hostile))
    assert "script" not in page.tags


def test_a_corpus_of_stance_alone_and_one_with_documents_render(data):
    pairs = copy.deepcopy(data)
    corpus = pairs["corpora"][0]
    corpus["heads"] = {"stance": corpus["heads"]["stance"]}
    corpus["documents"] = {
        "items": 3,
        "accuracy": 1 / 3,
        "macro_f1": {"value": 0.25, "low": 0.0, "high": 0.5},
        "labels": [],
        "confusion": [],
        "mixed": 1,
    }
    corpus.update(by_source=[], by_position=[], stance_kinds=[], contrast=None, polarity=None, calibration={})
    pairs["corpora"] = [corpus, {**corpus, "beside": {}, "threshold_curves": {}, "hardest": [], "shortcuts": {}}]
    page = read(render_html(pairs))
    assert "Stance of whole articles" in page.words


def test_the_terminal_shows_the_same_figures(data):
    stream = io.StringIO()
    print_report(data, Console(file=stream, width=110))
    text = stream.getvalue()
    corpus = data["corpora"][0]
    for head in ("types", "voice", "stance"):
        assert number(corpus["heads"][head]["macro_f1"]["value"]) in text
        assert number(corpus["beside"]["linear"]["macro_f1"][head]) in text
    assert "false alarms on other articles' targets" in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.2, "Better than"), (-0.2, -0.01, "Worse than"), (-0.1, 0.1, "Not told apart from")],
)
def test_a_verdict_says_no_more_than_the_interval(low, high, expected):
    difference = {"stance": {"theirs": 0.42, "low": low, "high": high}}
    said = verdict({"beside": {"linear": {"difference": difference}}}, "stance")
    assert said == f"{expected} the linear baseline's .420."
    assert verdict({"beside": {}}, "stance") == ""
