"""`qawl doctor` finds what would keep the service from starting."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from service.doctor import Finding, doctor


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "QAWL_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def wrong(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.message for finding in findings if not finding.ok}


def test_a_sound_installation_has_nothing_wrong(tiny_bundle: Path) -> None:
    findings = doctor(tiny_bundle, port=0)
    assert wrong(findings) == {}
    assert any("tiny 0" in finding.message for finding in findings)


def test_each_fault_is_named(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    (bundle / "tokenizer.json").write_text("{}")
    monkeypatch.setenv("QAWL_DEADLINE", "5")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = wrong(doctor(bundle, port=taken.getsockname()[1]))
    assert set(found) == {"environment", "address", "bundle"}
    assert "QAWL_DEADLINE" in found["environment"]
    assert "PORT" in found["address"]
    assert "tokenizer.json" in found["bundle"]


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QAWL_THREADS", "many")
    assert "QAWL_THREADS" in wrong(doctor())["settings"]
