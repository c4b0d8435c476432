"""Start the service: everything that can be wrong is said in one line before a port is bound."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from models.errors import ConfigError, QawlError
from service.settings import Settings

ENTRY = "service.entry:Qawl"
BACKLOG = 2048


def serve(bundle: Path | None = None, host: str | None = None, port: int | None = None, *, entry: str = ENTRY) -> None:
    """Serve until SIGTERM or SIGINT; `entry` names the BentoML service to import.

    Raises:
        QawlError: the bundle, a setting or the address cannot be used.

    """
    settings = Settings.load(bundle=bundle, host=host, port=port)
    # BentoML imports the service again, here or in its workers: the environment carries the choice.
    os.environ["QAWL_BUNDLE"] = str(settings.bundle.resolve())
    # Before prometheus_client is imported: it reads the variable once.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_folder()
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # Imported late: the variable above comes first. Loading is cached, so the service finds it done.
    from service.runtime import load_tagger

    load_tagger(settings)
    _check_tracing(settings)
    listener = _bind(settings.host, settings.port)
    address = listener.getsockname()
    sys.stderr.write(f"Qawl listens on http://{address[0]}:{address[1]}/ (Ctrl+C stops it)\n")
    if settings.workers > 1:
        _supervise(settings, listener, entry)
    else:
        _run(settings, listener, entry)


def _run(settings: Settings, listener: socket.socket, entry: str) -> None:
    """BentoML's worker in this very process: a supervisor would only cost start-up time and memory."""
    from _bentoml_impl.worker.service import main

    # uvicorn raises the signal again when it is done: a drain is a success, not a death.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    options = {
        "--fd": listener.detach(),
        "--worker-id": 1,
        "--backlog": BACKLOG,
        "--timeout-keep-alive": 30,
        "--timeout-graceful-shutdown": int(settings.deadline_seconds) + 5,
        "--args": json.dumps({}),
    }
    main([entry, *(str(part) for pair in options.items() for part in pair)], standalone_mode=False)


def _supervise(settings: Settings, listener: socket.socket, entry: str) -> None:
    """BentoML's own server with its supervisor, for more than one worker."""
    from _bentoml_impl.loader import load
    from _bentoml_impl.server import serve_http

    root = str(Path(__file__).resolve().parent.parent)
    load(entry, working_dir=root).inject_config()
    host, port = listener.getsockname()[:2]
    # Bound above only to say early whether it can be; the supervisor binds it itself.
    listener.close()
    serve_http(
        entry,
        working_dir=root,
        host=host,
        port=port,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(settings.deadline_seconds) + 5,
    )


def _check_tracing(settings: Settings) -> None:
    if settings.tracing_endpoint is None:
        return
    try:
        import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise ConfigError(
            "QAWL_TRACING_ENDPOINT: needs an exporter; run: pip install 'bentoml[tracing-otlp]'"
        ) from error


def _metrics_folder() -> str:
    folder = tempfile.mkdtemp(prefix="qawl-metrics-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigError(f"HOST, PORT: cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def main() -> None:
    """`python -m service.launch`: serve by the environment alone, as a container does."""
    try:
        serve()
    except QawlError as error:
        sys.stderr.write(f"qawl: {error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
