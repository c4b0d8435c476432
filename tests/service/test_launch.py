"""What is wrong at start-up is one line and exit code 2; what is right starts, alone or with workers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.service.process import ROOT, TEXT, environment, running


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"QAWL_MAX_TEXT": "much"}, "QAWL_MAX_TEXT"),
        ({"PORT": "123456"}, "PORT"),
        ({"QAWL_PRECISION": "int8"}, "model.int8.onnx"),
        ({"QAWL_MAX_TARGET_TOKENS": "4000"}, "QAWL_MAX_TARGET_TOKENS"),
        ({"QAWL_TRACING_ENDPOINT": "http://127.0.0.1:4318"}, "tracing-otlp"),
        ({"HOST": "198.51.100.1"}, "198.51.100.1"),
    ],
)
def test_what_cannot_serve_says_why_in_one_line(tiny_bundle: Path, settings: dict[str, str], named: str) -> None:
    line = refused(environment(QAWL_BUNDLE=tiny_bundle, **settings))
    assert named in line


def test_a_taken_port_is_one_line(tiny_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = refused(environment(QAWL_BUNDLE=tiny_bundle, PORT=taken.getsockname()[1]))
    assert "cannot listen" in line


def refused(env: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "service.launch"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("qawl: ")
    return line


def test_every_log_line_is_json_and_the_first_shows_the_settings(tiny_bundle: Path, tmp_path: Path) -> None:
    with running(tmp_path, QAWL_BUNDLE=tiny_bundle, QAWL_MAX_TEXT=1234) as server:
        server.tag(text=TEXT)
        # The line of a request is written once its reply is sent.
        for _ in range(100):
            if '"/v1/tag"' in server.out:
                break
            time.sleep(0.05)
        lines = [json.loads(line) for line in server.out.splitlines()]
    assert lines[0]["message"] == "settings"
    assert lines[0]["settings"]["max_text"] == 1234
    assert lines[1]["message"] == "ready"
    (request,) = [line for line in lines if line.get("route") == "/v1/tag"]
    assert (request["status"], request["code"]) == (200, "ok")
    assert re.fullmatch(r"[0-9a-f]{32}", request["rid"])


def test_two_workers_share_a_port_and_their_metrics(tiny_bundle: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(tmp_path, QAWL_BUNDLE=tiny_bundle, QAWL_WORKERS=2, PORT=port) as server:
        for _ in range(100):
            if server.out.count('"message": "ready"') == 2:
                break
            time.sleep(0.1)
        assert [server.tag(text=TEXT).status_code for _ in range(6)] == [200] * 6
        assert server.metric("qawl_sentences_total") == 12
        assert server.stop() == 0
