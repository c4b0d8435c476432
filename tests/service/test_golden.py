"""One reply of the shipped bundle for each way of sending an article, as it was when last looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.bundle import SHIPPED
from tests.service.golden import GOLDEN, REQUESTS
from tests.service.process import Server, running


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("shipped"), QAWL_BUNDLE=SHIPPED) as server:
        yield server


@pytest.mark.parametrize("name", REQUESTS)
def test_the_reply_is_the_golden_one(shipped: Server, name: str) -> None:
    golden = json.loads((GOLDEN / f"http_{name}.json").read_text(encoding="utf-8"))
    served = shipped.client.get("/v1/model").json()["fingerprint"]
    assert golden["fingerprint"] == served, "the shipped bundle has changed: run `make golden` and review the diff"
    assert golden["request"] == REQUESTS[name]
    reply = shipped.client.post("/v1/tag", json=golden["request"]).json()
    assert skeleton(reply) == skeleton(golden["reply"])
    assert numbers(reply) == pytest.approx(numbers(golden["reply"]), abs=1e-3)


def skeleton(data: Any) -> Any:
    """The reply without its scores, which differ in their last digits from machine to machine."""
    if isinstance(data, dict):
        return {key: skeleton(value) for key, value in data.items()}
    if isinstance(data, list):
        return [skeleton(value) for value in data]
    return "score" if isinstance(data, float) else data


def numbers(data: Any) -> list[float]:
    if isinstance(data, dict):
        return [x for key in sorted(data) for x in numbers(data[key])]
    if isinstance(data, list):
        return [x for value in data for x in numbers(value)]
    return [data] if isinstance(data, float) else []


def test_golden_files_hold_all_ways() -> None:
    assert {path.name for path in Path(GOLDEN).glob("http_*.json")} == {f"http_{name}.json" for name in REQUESTS}
