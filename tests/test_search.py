"""Search and ablation: real trainings of a tiny network, and what a second call does not do again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w

from models.errors import ConfigError
from tests.conftest import ROOT
from tests.tiny import tiny_run
from training import ablate as ablation
from training import tune as search
from training.config import read_run
from training.strict import read_toml
from training.tune import Space


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a few steps on six articles, whose work folders stay in the test's own."""
    lines = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.jsonl").write_text("".join(lines[:4]), encoding="utf-8")
    (tmp_path / "dev.jsonl").write_text("".join(lines[4:6]), encoding="utf-8")
    corpus = {"name": "seeds", "format": "canonical"}
    run = tiny_run("sep", 2, 128)
    changes = {"batch": 4, "epochs": 0.5, "evaluations": 2, "precision": "fp32", "metric": "mean"}
    data = run.model_dump(exclude_none=True) | {
        "optimisation": run.optimisation.model_dump(exclude_none=True) | changes,
        "corpora": [{**corpus, "path": f"{split}.jsonl", "split": split} for split in ("train", "dev")],
    }
    path = tmp_path / "run.toml"
    path.write_text(tomli_w.dumps(data), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def test_a_study_goes_on_and_writes_the_best_run(config: Path, tmp_path: Path):
    space = tmp_path / "space.toml"
    space.write_text('["optimisation.learning_rate"]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n', encoding="utf-8")
    study = tmp_path / "study.journal"
    search.tune(config, space, trials=1, study=study)
    first = study.read_text(encoding="utf-8")
    best = search.tune(config, space, trials=2, study=study)
    assert study.read_text(encoding="utf-8").startswith(first)
    trials = [json.loads(line) for line in study.read_text(encoding="utf-8").splitlines()]
    rates = [t["param_value_internal"] for t in trials if t.get("param_name") == "optimisation.learning_rate"]
    assert len(rates) == 2
    assert read_run(best).optimisation.learning_rate in rates


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[crops]\nlow = 2\nhigh = 1\n", "low: 2: must be less than high, 1"),
        ("[crops]\nlow = 2\n", "give either choices, or both low and high"),
        ("[crops\n", "not TOML"),
    ],
)
def test_a_wrong_space_is_one_sentence(tmp_path: Path, text: str, complaint: str):
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        read_toml(path, Space)


def test_an_ablation_trains_what_is_missing(config: Path, tmp_path: Path):
    variants = tmp_path / "variants.toml"
    variants.write_text('[variants.base]\n[variants.pairs]\ncontext = false\nsettings = {"crops.single" = 1.0}\n')
    results = tmp_path / "results.jsonl"
    lines = list(ablation.ablate(config, variants, results))
    assert [line["variant"] for line in lines] == ["base", "pairs"]
    assert all(0 <= line[head] <= 1 for line in lines for head in ("types", "voice", "stance", "mean"))
    kept = results.read_text(encoding="utf-8")
    assert list(ablation.ablate(config, variants, results)) == lines
    assert results.read_text(encoding="utf-8") == kept


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[variants.a]\nwithout = ["x"]\n', "without: x: must be among seeds"),
        ("[variants.a]\nweights = {x = {a = 1.0}}\n", "weights: x: must be among seeds"),
        ('[variants.a]\nsettings = {"crops.nothing" = 1}\n', "crops.nothing: not a setting of a run"),
        ("[variants.a]\nother = 1\n", "variants.a.other"),
        ("", "variants"),
    ],
)
def test_a_wrong_ablation_is_one_sentence(config: Path, tmp_path: Path, text: str, complaint: str):
    path = tmp_path / "variants.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        list(ablation.ablate(config, path))
