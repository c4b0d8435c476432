"""The real service as a process of its own, and the browser that looks at its page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 120


@contextmanager
def serving(bundle: Path | None = None) -> Iterator[str]:
    """The address of a service that runs `bundle` (default: the shipped one).

    Raises:
        RuntimeError: it did not start; holds its log.

    """
    settings = {"QAWL_PORT": "0", "QAWL_THREADS": "1", "QAWL_DRAIN_SECONDS": "0"}
    if bundle is not None:
        settings["QAWL_BUNDLE"] = str(bundle)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.launch"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
        try:
            yield _address(process, lambda: os.pread(log.fileno(), 1 << 20, 0).decode("utf-8", "replace"))
        finally:
            process.terminate()
            process.wait(timeout=20)


def _address(process: subprocess.Popen[bytes], log: Callable[[], str]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"listens on (http://[\d.]+:\d+)", log()):
            try:
                if httpx.get(f"{found[1]}/readyz").is_success:
                    return found[1]
            except httpx.TransportError:
                # The port is bound, the application behind it is still loading.
                pass
        time.sleep(0.1)
    raise RuntimeError(f"the service did not start:\n{log()}")
