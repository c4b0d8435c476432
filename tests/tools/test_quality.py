"""`qawl data check` and `qawl evaluate` as a user types them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from models.errors import DataError
from tests.conftest import ROOT
from tools.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_data_check_passes_the_seeds_and_fails_a_bad_row(tmp_path):
    good = run("data", "check", ROOT / "seeds")
    assert good.exit_code == 0
    assert "no two splits share an article" in good.stdout
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    bad = run("data", "check", tmp_path / "a.jsonl")
    assert bad.exit_code == 1
    assert "a.jsonl:1: targets: is missing" in bad.stdout


def test_data_check_of_nothing_is_an_error_of_the_user(tmp_path):
    assert isinstance(run("data", "check", tmp_path / "none").exception, DataError)


@pytest.fixture(scope="module")
def evaluated(tiny_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    lines = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "few.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    shown = run(
        "evaluate",
        tiny_bundle,
        folder / "few.jsonl",
        "--no-alone",
        "--out",
        folder / "out",
        "--errors",
        folder / "hard.jsonl",
    )
    return shown, folder


def test_evaluate_prints_the_table_and_writes_both_reports(evaluated):
    shown, folder = evaluated
    assert shown.exit_code == 0, shown.exception
    assert "macro-F1" in shown.stdout
    data = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    assert data["corpora"][0]["articles"] == 3
    assert (folder / "out" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_evaluate_writes_texts_only_where_it_was_told_to(evaluated):
    _, folder = evaluated
    errors = [json.loads(line) for line in (folder / "hard.jsonl").read_text(encoding="utf-8").splitlines()]
    assert errors
    for name in ("report.json", "report.html"):
        written = (folder / "out" / name).read_text(encoding="utf-8")
        assert not any(error["text"] in written for error in errors)


def test_evaluate_takes_the_corpora_of_a_run(tiny_bundle, tmp_path):
    text = 'name = "r"\nversion = "0"\noutput = "out"\nlicence = "Apache-2.0"\n[encoder.scratch]\n'
    for split in ("train", "dev"):
        text += f'[[corpora]]\nname = "mine-{split}"\npath = "{ROOT}/seeds/articles.jsonl"\nformat = "canonical"\n'
        text += f'split = "{split}"\nsplits = "{ROOT}/seeds/splits.json"\n'
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    shown = run("evaluate", tiny_bundle, "--config", tmp_path / "run.toml", "--no-alone", "--out", tmp_path)
    assert shown.exit_code == 0, shown.exception
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [corpus["name"] for corpus in data["corpora"]] == ["mine-dev"]
