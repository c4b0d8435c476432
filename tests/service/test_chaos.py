"""What a hostile or unlucky world does to the process."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.cues import SLOW
from tests.service.process import FAULTY, ROOT, TEXT, Server, command, environment, running, whole_reply
from tests.soak.load import load

MiB = 1024 * 1024


@pytest.fixture(scope="module")
def hasty(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory):
    """A service with a short deadline."""
    settings: dict[str, Any] = {"QAWL_DEADLINE_SECONDS": 2, "QAWL_LOG_LEVEL": "WARNING"}
    with running(tmp_path_factory.mktemp("hasty"), QAWL_BUNDLE=tiny_bundle, **settings) as server:
        yield server


def address(server: Server) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def test_killed_in_the_middle_it_starts_again_on_its_port(tiny_bundle: Path, tmp_path: Path) -> None:
    seen = tmp_path / "first" / "seen"
    with running(tmp_path / "first", FAULTY, QAWL_BUNDLE=tiny_bundle, TEST_SEEN=seen) as server:
        before = server.tag(text=TEXT).json()
        port = address(server)[1]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.tag, text=SLOW)
            server.until_seen(SLOW)
            server.stop(signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                asked.result()
    with running(tmp_path / "second", QAWL_BUNDLE=tiny_bundle, PORT=port) as server:
        assert server.tag(text=TEXT).json() == before


def test_sigterm_under_load_loses_no_answer(tiny_bundle: Path, tmp_path: Path) -> None:
    """While it drains, replies close their connections; a request after that finds the port closed, or is answered."""
    done = threading.Event()
    ends: list[tuple[set[int], type[Exception]]] = []

    def ask() -> None:
        statuses: set[int] = set()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while True:
                try:
                    statuses.add(client.post("/v1/tag", json={"text": TEXT}).status_code)
                    done.set()
                except httpx.TransportError as error:
                    ends.append((statuses, type(error)))
                    return

    with running(tmp_path, QAWL_BUNDLE=tiny_bundle, QAWL_DRAIN_SECONDS=3) as server:
        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        done.wait(30)
        assert server.stop(timeout=60) == 0
        for client in clients:
            client.join(30)
    assert [statuses for statuses, _ in ends] == [{200}] * 8
    # Refused, or cut before it was accepted: in either case the client knows that nothing was done.
    assert {error for _, error in ends} <= {httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError}


def test_a_full_disk_for_logs_stops_no_answer(tiny_bundle: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, (tmp_path / "err").open("wb") as err:
        env = environment(QAWL_BUNDLE=tiny_bundle, QAWL_THREADS=1, QAWL_DRAIN_SECONDS=0)
        process = subprocess.Popen(command(), cwd=ROOT, env=env, stdout=full, stderr=err)
    try:
        url = ""
        while not url and process.poll() is None:
            found = re.search(r"http://\S+", (tmp_path / "err").read_text())
            url = found[0].rstrip("/") if found else ""
            time.sleep(0.05)
        with httpx.Client(base_url=url, timeout=30) as client:
            for _ in range(3):
                assert client.post("/v1/tag", json={"text": TEXT}).status_code == 200
            lines = client.get("/metrics").text
        failed = re.search(r"^qawl_log_failures_total (\S+)", lines, re.MULTILINE)
        assert failed
        assert float(failed[1]) >= 3
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)


def test_a_client_that_sends_a_byte_a_second_is_cut_off(hasty: Server) -> None:
    with socket.create_connection(address(hasty), timeout=20) as slow:
        slow.sendall(
            b"POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{"
        )
        started = time.monotonic()
        # Looked at right before each byte: a byte to a connection closed by then would throw the reply away.
        while not select.select([slow], [], [], 0.5)[0] and time.monotonic() - started < 15:
            slow.sendall(b" ")
            assert hasty.tag(text=TEXT).status_code == 200
        status, _, body = whole_reply(slow)
        assert status == 504
        assert json.loads(body)["error"]["code"] == "deadline"


def test_500_idle_connections_cost_little(hasty: Server) -> None:
    before = hasty.rss()
    with contextlib.ExitStack() as stack:
        for i in range(500):
            idle = stack.enter_context(socket.create_connection(address(hasty), timeout=20))
            if i % 2:
                idle.sendall(b"POST /v1/tag HTTP/1.1\r\nHost: a\r\n")
        assert hasty.tag(text=TEXT).status_code == 200
        assert hasty.rss() - before < 50 * MiB
    assert hasty.tag(text=TEXT).status_code == 200


def test_10_000_random_paths_leave_nothing_behind(hasty: Server) -> None:
    chance = random.Random(20)
    alphabet = "abcXYZ019/._-%~"
    assert hasty.client.get("/unknown").status_code == 404
    hasty.client.get("/metrics")
    series = len(hasty.client.get("/metrics").text.splitlines())
    before = hasty.rss()
    for _ in range(20):
        paths = ["/" + "".join(chance.choices(alphabet.replace("%", ""), k=chance.randint(1, 60))) for _ in range(500)]
        with socket.create_connection(address(hasty), timeout=60) as pipe:
            for first in range(0, 500, 50):
                pipe.sendall(
                    b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % p.encode() for p in paths[first : first + 50])
                )
                seen = b""
                while seen.count(b"HTTP/1.1 ") < 50 or not seen.endswith(b"}}"):
                    part = pipe.recv(1 << 20)
                    assert part
                    seen += part
                assert seen.count(b"HTTP/1.1 404") == 50
    assert len(hasty.client.get("/metrics").text.splitlines()) == series
    assert hasty.rss() - before < 20 * MiB


def test_a_crowd_and_a_crawl_leave_the_queue_empty(hasty: Server) -> None:
    outcome = load(hasty, clients=8, requests=80)
    assert set(outcome.statuses) <= {200, 504}
    time.sleep(0.2)
    assert hasty.metric("qawl_queue_tokens") == pytest.approx(0, abs=1)


def test_a_long_text_does_not_hold_up_the_others(tiny_bundle: Path, tmp_path: Path) -> None:
    """Probes and headlines are answered while a text at the limit is cut, tokenised, read and written out."""
    with running(tmp_path, QAWL_BUNDLE=tiny_bundle) as server, ThreadPoolExecutor(1) as pool:
        book = pool.submit(httpx.post, f"{server.url}/v1/tag", json={"text": f"{TEXT} " * 2000}, timeout=120)
        answered = 0
        while not book.done():
            assert server.client.get("/livez").status_code == 200
            assert server.tag(text=TEXT).status_code == 200
            answered += 1
        assert book.result().status_code == 200
        assert answered >= 5


@pytest.mark.parametrize("text", ["«" * 400_000, "ا" * 400_000, "ا" + "\u064b" * 400_000, "\u202e\u200d ا" * 100_000])
def test_pathological_texts_are_answered(hasty: Server, text: str) -> None:
    reply = hasty.tag(text=text)
    assert reply.status_code in (200, 504)
    if reply.status_code == 200:
        assert all(text[s["start"] : s["end"]] == s["text"] for s in reply.json()["sentences"])
    assert hasty.client.get("/livez").status_code == 200
