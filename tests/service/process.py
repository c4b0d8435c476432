"""The service as a real process on a real port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
FAULTY = "tests.service.faulty:Qawl"
TEXT = "أغلقت السلطات المعبر الحدودي صباح الاثنين. وقال الوزير إن الإغلاق سيستمر أسبوعا."


@dataclass
class Server:
    """A running service; `folder` has its output in `out` and `err`."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    client: httpx.Client

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(encoding="utf-8")

    def tag(self, **request: object) -> httpx.Response:
        return self.client.post("/v1/tag", json=request)

    def metric(self, start: str) -> float:
        """The sum of the samples whose line starts so."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def until_seen(self, word: str, seconds: float = 30) -> None:
        """Wait until the engine of tests.service.faulty has met this cue (TEST_SEEN is `seen` in the folder)."""
        seen, end = self.folder / "seen", time.monotonic() + seconds
        while not seen.exists() or word not in seen.read_text(encoding="utf-8"):
            assert time.monotonic() < end, f"the model has not seen {word}"
            time.sleep(0.01)

    def rss(self) -> int:
        """Resident bytes of the process."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


def command(entry: str | None = None) -> list[str]:
    given = f"entry={entry!r}" if entry else ""
    return [sys.executable, "-c", f"from service.launch import serve; serve({given})"]


def environment(**settings: object) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("QAWL_", "BENTOML_", "PROMETHEUS_"))}
    clean |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": "0"}
    return clean | {name: str(value) for name, value in settings.items()}


@contextlib.contextmanager
def running(folder: Path, entry: str | None = None, cwd: Path = ROOT, **settings: object) -> Iterator[Server]:
    """A service with these environment variables, ready; killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    env = environment(**{"QAWL_DRAIN_SECONDS": "0", "QAWL_THREADS": "1", **settings})
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(command(entry), cwd=cwd, env=env, stdout=out, stderr=err)
    try:
        url = _address(process, folder)
        with httpx.Client(base_url=url, timeout=60) as client:
            _wait_ready(process, client, folder)
            yield Server(process, folder, url, client)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def whole_reply(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body of the next reply on a raw connection, however many packets it takes."""
    with HTTPResponse(connection) as reply:
        reply.begin()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


def _address(process: subprocess.Popen[bytes], folder: Path, seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in (folder / "err").read_text(encoding="utf-8").splitlines():
            if line.startswith("Qawl listens on "):
                return line.split()[3].rstrip("/")
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the service did not start: {(folder / 'err').read_text(encoding='utf-8')[-2000:]}")


def _wait_ready(process: subprocess.Popen[bytes], client: httpx.Client, folder: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"the service is not ready: {(folder / 'out').read_text(encoding='utf-8')[-2000:]}")
