"""What many tests share: a small real bundle, made here in seconds, and the outside data where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no reason to fail: cases are bounded by their number, not by the clock.
settings.register_profile("qawl", deadline=None)
settings.load_profile("qawl")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
"""Data that stands beside the project's own checkout and in CI, but not on a user's machine."""


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the outside data in ../shared, which only the project's own workplace has")
    return SHARED


@pytest.fixture(scope="session")
def seed_articles() -> list[dict]:
    with (ROOT / "seeds" / "articles.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def make_bundle(target: Path, *, pooling: str = "sep", token_types: int = 2, max_tokens: int = 128) -> Path:
    """A bundle of random weights in the real format: own vocabulary, own ONNX graph, neutral calibration."""
    from tests.tiny import write_tiny

    return write_tiny(target, pooling=pooling, token_types=token_types, max_tokens=max_tokens)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny_tagger(tiny_bundle: Path):
    from models.tagger import Tagger

    return Tagger.load(tiny_bundle, threads=1)
