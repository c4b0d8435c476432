"""Row 21 of the fault matrix: a bento, served where the checkout is not, is the same service."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models.bundle import Bundle
from models.errors import BundleError, ConfigError
from service.build import build
from service.sbom import bill
from tests.service.process import TEXT, environment

LOCKS = Path(__file__).resolve().parents[2] / "requirements"


@pytest.fixture(scope="module")
def bento(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tiny_bundle, output=tmp_path_factory.mktemp("bento") / "elsewhere")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def from_bento(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`bentoml serve`, as the bento's own container runs it; the checkout is not on its path."""
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    env = environment(BENTOML_HOME=home, QAWL_THREADS=1, QAWL_DRAIN_SECONDS=0)
    del env["PYTHONPATH"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", str(bento), "--port", str(port)],
            cwd=home,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def test_row_21_a_bento_gives_the_same_answers_elsewhere(from_bento: str, tiny_tagger) -> None:
    from models.tags import Document

    with httpx.Client(base_url=from_bento) as client:
        assert client.get("/v1/model").json()["fingerprint"] == tiny_tagger.bundle.fingerprint
        reply = client.post("/v1/tag", json={"text": TEXT, "targets": ["أُغلق المعبر."], "scores": True})
        (tags,) = tiny_tagger.tag([Document(text=TEXT, targets=("أُغلق المعبر.",))])
        assert reply.json() == json.loads(json.dumps(tags.to_json(scores=True)))
        assert client.get("/").status_code == 200
        assert client.post("/v1/tag", json={}).json()["error"]["code"] == "invalid"
        assert "qawl_tokens_total" in client.get("/metrics").text


def test_the_same_bundle_gives_the_same_tree(bento: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    again = build(tiny_bundle, output=tmp_path / "again")
    assert digests(again) == digests(bento)


def test_a_bento_holds_what_serving_needs_and_no_more(bento: Path) -> None:
    files = set(digests(bento / "src"))
    assert {"service/entry.py", "service/page/index.html", "models/compact/model.onnx", "LICENSE"} <= files
    assert not [name for name in files if name.startswith(("training", "tests", "seeds")) or "__pycache__" in name]


def test_the_bill_of_materials_lists_every_locked_package(bento: Path, tiny_bundle: Path) -> None:
    lock = (LOCKS / "serve.txt").read_text(encoding="utf-8")
    document = json.loads((bento / "src" / "sbom.cdx.json").read_text(encoding="utf-8"))
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock, re.MULTILINE)
    weights, *packages = document["components"]
    assert [(p["name"], p["version"]) for p in packages] == pins
    hashes = sum(len(p["externalReferences"][0]["hashes"]) for p in packages)
    assert hashes == lock.count("--hash=sha256:") > len(pins)
    bundle = Bundle.load(tiny_bundle)
    assert weights["hashes"][0]["content"] == bundle.fingerprint
    assert bill(lock, bundle) == bill(lock, bundle)


@pytest.mark.parametrize("name", ["serve.txt", "gpu.txt"])
def test_every_locked_package_has_hashes(name: str) -> None:
    lock = (LOCKS / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", lock, flags=re.MULTILINE))
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert ("\ntorch==" in lock) == (name == "gpu.txt")


def test_a_bad_bundle_or_a_taken_folder_is_one_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        build(tmp_path / "missing")
    with pytest.raises(ConfigError, match="exists already"):
        build(tiny_bundle, output=tmp_path)
