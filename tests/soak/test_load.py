"""Row 17 of the fault matrix and what happens beyond it; `tests.soak.soak` does the same for minutes."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.service.process import TEXT, running
from tests.soak.load import load

MiB = 1024 * 1024
DOCUMENT = {"text": TEXT, "targets": ["أُغلق المعبر."], "scores": True}


def test_row_17_three_thousand_requests_at_32_clients(tiny_bundle: Path, tmp_path: Path) -> None:
    with running(tmp_path, QAWL_BUNDLE=tiny_bundle, QAWL_LOG_LEVEL="WARNING") as server:
        before = server.tag(**DOCUMENT).json()
        load(server, clients=32, requests=200)
        outcome = load(server, clients=32, requests=3000)
        assert outcome.statuses == {200: 3000}
        # Memory is flat: the last third of the run stands no higher than the first.
        third = max(1, len(outcome.rss) // 3)
        assert statistics.mean(outcome.rss[-third:]) < statistics.mean(outcome.rss[:third]) + 20 * MiB
        assert server.tag(**DOCUMENT).json()["sentences"][0]["type_scores"] == pytest.approx(
            before["sentences"][0]["type_scores"], abs=1e-4
        )
        assert server.metric("qawl_queue_tokens") == pytest.approx(0, abs=1)


def test_beyond_its_limits_it_only_says_come_back(tiny_bundle: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"QAWL_QUEUE_TOKENS": 3000, "QAWL_MAX_REQUESTS": 24, "QAWL_LOG_LEVEL": "WARNING"}
    with running(tmp_path, None, QAWL_BUNDLE=tiny_bundle, **settings) as server:
        outcome = load(server, clients=48, seconds=8, patient=True)
        assert set(outcome.statuses) == {200, 429}
        assert min(outcome.waits) >= 1
        assert server.client.get("/readyz").status_code == 200
        assert server.metric("qawl_queue_tokens") == pytest.approx(0, abs=1)
