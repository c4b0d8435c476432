"""Two servers that many tests share: an open one, and one with keys and CORS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.process import FAULTY, Server, running

KEYS = ("first key", "second key")
ORIGIN = "https://news.example"


@pytest.fixture(scope="session")
def served(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service at its defaults, with an engine that fails on cue (tests.service.faulty)."""
    folder = tmp_path_factory.mktemp("served")
    with running(folder, FAULTY, QAWL_BUNDLE=tiny_bundle, QAWL_LOG_LEVEL="DEBUG", TEST_SEEN=folder / "seen") as server:
        yield server


@pytest.fixture(scope="session")
def keyed(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two keys, one CORS origin and small limits."""
    settings: dict[str, Any] = {
        "QAWL_BUNDLE": tiny_bundle,
        "QAWL_API_KEYS": ",".join(hashlib.sha256(key.encode()).hexdigest() for key in KEYS),
        "QAWL_CORS_ORIGINS": ORIGIN,
        "QAWL_MAX_BODY_BYTES": 20_000,
        "QAWL_MAX_TOKENS": 2_000,
    }
    with running(tmp_path_factory.mktemp("keyed"), **settings) as server:
        server.client.headers["authorization"] = f"Bearer {KEYS[0]}"
        yield server
