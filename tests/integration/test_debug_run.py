"""The main path whole: train the debug run, save its bundle, serve it, and get over HTTP what the Tagger says."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tomli_w

from models.bundle import ONNX, Bundle
from models.tagger import Tagger
from models.tags import Document
from tests.conftest import ROOT
from tests.service.process import environment, running

CONFIGS = ROOT / "training" / "configs"
WEAKNESS = "It knows nothing: it was trained for a minute."


def train(folder: Path) -> subprocess.CompletedProcess[str]:
    """`qawl train` on the folder's run.toml."""
    command = [sys.executable, ROOT / "qawl.py", "train", "run.toml"]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def debug_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`qawl train` on configs/debug.toml, with its output moved out of the checkout."""
    folder = tmp_path_factory.mktemp("debug")
    run = tomllib.loads((CONFIGS / "debug.toml").read_text(encoding="utf-8"))
    run["output"], run["weaknesses_file"] = "bundle", "weaknesses.md"
    (folder / "weaknesses.md").write_text(f"- {WEAKNESS}\n", encoding="utf-8")
    for corpus in run["corpora"]:
        corpus |= {field: str((CONFIGS / corpus[field]).resolve()) for field in ("path", "splits")}
    (folder / "run.toml").write_text(tomli_w.dumps(run), encoding="utf-8")
    done = train(folder)
    assert done.returncode == 0, done.stderr
    assert "fingerprint" in done.stdout
    return folder / "bundle"


def test_what_is_trained_is_what_is_served(debug_bundle, tmp_path, seed_articles):
    tagger = Tagger.load(debug_bundle, threads=1)
    article = seed_articles[0]
    sentences, targets = [s["text"] for s in article["sentences"]], article["targets"]
    (tags,) = tagger.tag([Document(sentences=tuple(sentences), targets=tuple(targets))])
    expected = tags.to_json(scores=True)
    with running(tmp_path, QAWL_BUNDLE=debug_bundle) as server:
        reply = server.tag(sentences=sentences, targets=targets, scores=True).json()
        assert server.client.get("/v1/model").json()["fingerprint"] == tagger.bundle.fingerprint
    assert reply == json.loads(json.dumps(expected))


def test_the_bundle_tells_how_it_was_made_and_how_good_it_is(debug_bundle):
    bundle = Bundle.load(debug_bundle)
    provenance = bundle.manifest.provenance
    assert provenance["config"]["name"] == "debug"
    assert set(provenance["data"]) == {"seeds/train", "seeds/dev"}
    assert provenance["libraries"]["torch"]
    report = json.loads((debug_bundle / "report.json").read_text(encoding="utf-8"))
    assert report["corpora"][0]["heads"]["types"]["items"] > 0
    card = (debug_bundle / "README.md").read_text(encoding="utf-8")
    for said in ("language-model annotators", "## Figures", "Macro-F1", "| seeds | train |", WEAKNESS):
        assert said in card
    gate = bundle.manifest.metrics["int8"]
    assert gate["passed"] == (debug_bundle / ONNX["int8"]).exists()


def test_a_bad_config_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "run.toml").write_text("name = 3\n", encoding="utf-8")
    done = train(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run.toml" in done.stderr
    assert "Traceback" not in done.stderr
