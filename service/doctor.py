"""`qawl doctor`: checks an installation as it would serve, and says what is wrong."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.errors import QawlError
from models.tagger import Tagger
from models.tags import Document, Tags
from service.settings import Settings, unknown_variables

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "serve.txt"
PAGE = ROOT / "service" / "page" / "index.html"
OLDEST, NEWEST = (3, 11), (3, 13)
# What serving imports; the rest of the lock file follows from these.
_DIRECT = ("bentoml", "numpy", "onnxruntime", "prometheus-client", "pydantic", "pydantic-settings", "sentencex")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `message` says what was found, and what to do if it is not well."""

    name: str
    ok: bool
    message: str


def doctor(bundle: Path | None = None, host: str | None = None, port: int | None = None) -> list[Finding]:
    """Everything that serving needs, looked at in order; nothing is changed and no port stays open."""
    findings = [_python(), *_packages(), _variables(), _page(), _scratch()]
    try:
        settings = Settings.load(bundle=bundle, host=host, port=port)
    except QawlError as error:
        return [*findings, Finding("settings", False, str(error))]
    findings.append(Finding("settings", True, f"a deadline of {settings.deadline_seconds:g} s, {_keys(settings)}"))
    return [*findings, _address(settings), _reading(settings)]


def _keys(settings: Settings) -> str:
    return f"{len(settings.api_keys)} keys" if settings.api_keys else "no keys: open to whoever reaches the port"


def _python() -> Finding:
    found = sys.version_info[:2]
    ok = OLDEST <= found <= NEWEST
    wanted = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    return Finding("python", ok, f"{platform.python_version()}" + ("" if ok else f"; Qawl needs {wanted}"))


def _packages() -> Iterator[Finding]:
    pins: dict[str, set[str]] = {}
    if LOCK.is_file():
        for name, pin in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE):
            pins.setdefault(name, set()).add(pin)
    for name in _DIRECT:
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, False, "not installed; run: pip install -r requirements/serve.txt")
            continue
        tested = pins.get(name, {found})
        yield Finding(name, True, found + ("" if found in tested else f" (tested with {', '.join(sorted(tested))})"))


def _variables() -> Finding:
    unknown = unknown_variables(dict(os.environ))
    return Finding(
        "environment", not unknown, f"no such setting: {', '.join(unknown)}" if unknown else "as it should be"
    )


def _page() -> Finding:
    return Finding(
        "page", PAGE.is_file(), "there" if PAGE.is_file() else f"{PAGE} is missing; the checkout is not whole"
    )


def _scratch() -> Finding:
    return _attempt("temporary folder", lambda: f"{_written()} can be written")


def _written() -> str:
    with tempfile.NamedTemporaryFile(prefix="qawl-doctor-") as file:
        file.write(b"0" * 4096)
        file.flush()
        return str(Path(file.name).parent)


def _address(settings: Settings) -> Finding:
    def free() -> str:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((settings.host, settings.port))
        return f"{settings.host}:{settings.port} is free"

    finding = _attempt("address", free)
    where = f"{settings.host}:{settings.port}"
    return finding if finding.ok else Finding("address", False, f"{where}: {finding.message}; set PORT to another")


def _reading(settings: Settings) -> Finding:
    def read() -> str:
        tagger = Tagger.load(settings.bundle, engine=settings.engine, precision=settings.precision)
        (tags,) = tagger.tag([Document(text="قال الوزير إن العمل جار.")])
        if not isinstance(tags, Tags):
            raise tags
        identity = tagger.bundle.identity()
        return f"{identity['name']} {identity['version']} ({tagger.bundle.fingerprint[:12]}) tags a sentence"

    return _attempt("bundle", read)


def _attempt(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except (QawlError, OSError, ArithmeticError, ImportError) as error:
        return Finding(name, False, getattr(error, "strerror", None) or str(error))
