"""The OpenAPI document is a decision: it changes by `make golden` only, and the service keeps to it."""

from __future__ import annotations

import json
from pathlib import Path

from service.guard import ROUTES
from service.openapi import BATCH_EXAMPLES, TAG_EXAMPLES, document
from service.schemas import BatchRequest, TagRequest, check
from service.settings import Settings
from tests.service.fuzzing import SMALL, fuzz
from tests.service.process import Server, running

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "openapi.json"


def defaults() -> Settings:
    return Settings.model_construct(**{name: f.default for name, f in Settings.model_fields.items()})


def test_the_document_is_the_golden_one() -> None:
    assert document(defaults()) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_service_shows_it(served: Server) -> None:
    shown = served.client.get("/docs.json").json()
    assert shown["paths"] == document(defaults())["paths"]
    assert set(shown["paths"]) == set(ROUTES)


def test_examples_are_answered(served: Server) -> None:
    for example in TAG_EXAMPLES.values():
        check(TagRequest, example["value"], defaults())
        assert served.client.post("/v1/tag", json=example["value"]).status_code == 200
    for example in BATCH_EXAMPLES.values():
        check(BatchRequest, example["value"], defaults())
        assert served.client.post("/v1/batch", json=example["value"]).status_code == 200


def test_keys_stand_in_the_document() -> None:
    keyed = document(defaults().model_copy(update={"api_keys": ("0" * 64,)}))
    assert keyed["paths"]["/v1/tag"]["post"]["security"] == [{"key": []}]
    assert "401" in keyed["paths"]["/v1/tag"]["post"]["responses"]
    assert "security" not in keyed["paths"]["/livez"]["get"]


def test_the_service_keeps_to_its_document(tiny_bundle: Path, tmp_path: Path) -> None:
    with running(tmp_path, QAWL_BUNDLE=tiny_bundle, **SMALL) as server:
        cases, _ = fuzz(server, 10)
        assert cases > 100
        assert server.metric('qawl_replies_total{code="internal"') == 0
        assert server.metric("qawl_engine_faults_total") == 0
