"""A bundle: one folder with everything that turns text into tags. Loading is strict; there is no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer

from models import segment, text
from models.calibrate import Calibration
from models.errors import BundleError
from models.labels import NONE, Scheme
from models.windows import WindowSpec

FORMAT = 1
MANIFEST = "bundle.json"
Precision = Literal["fp32", "int8"]

REQUIRED = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "model.onnx",
    "report.json",
    "README.md",
    "LICENSE",
)
STANCE = "stance.onnx"
"""The graph that compares target and article, where a network reads them apart."""

OPTIONAL = ("model.int8.onnx", STANCE)
ONNX = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
SHIPPED = Path(__file__).resolve().parent / "compact"
"""The bundle that comes with the code."""


_BY_SAVE = ("format", "files", "normaliser_version", "segmenter_version")


class Manifest(BaseModel):
    """The contents of bundle.json; unknown and missing fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    scheme: dict[str, Any]
    normaliser: str
    normaliser_version: str
    segmenter_version: str
    windows: dict[str, Any]
    calibration: Calibration
    encoder: str
    licence: str
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]

    def fields(self) -> dict[str, Any]:
        """What `save` takes: all but what it writes by itself."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in _BY_SAVE}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle folder; `fingerprint` (sha256 of bundle.json) covers every file of it."""

    path: Path
    manifest: Manifest
    scheme: Scheme
    windows: WindowSpec
    fingerprint: str

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and verify a bundle folder.

        Raises:
            BundleError: anything is missing, unknown, tampered with, or of another format; names the file.

        """
        manifest, raw = _read_manifest(path)
        _verify_files(path, manifest.files)
        scheme = Scheme.from_json(manifest.scheme)
        _check_versions(manifest, scheme)
        try:
            windows = WindowSpec(**_known(manifest.windows))
        except TypeError as error:
            raise BundleError(f"{MANIFEST}: windows: {error}") from error
        return cls(path, manifest, scheme, windows, hashlib.sha256(raw).hexdigest())

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of tokenizer.json, without padding or truncation of its own."""
        try:
            tokenizer = Tokenizer.from_file(str(self.path / "tokenizer.json"))
        except Exception as error:
            # The Rust library raises bare Exception.
            raise BundleError("tokenizer.json: not a tokenizer") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @property
    def normalise(self) -> Callable[[str], str]:
        """The normaliser the encoder was trained with."""
        return text.NORMALISERS[self.manifest.normaliser]

    def onnx(self, precision: Precision) -> Path:
        """The exported network of that precision.

        Raises:
            BundleError: the bundle has none (int8 only ships when it passed its gate).

        """
        name = ONNX[precision]
        if name not in self.manifest.files:
            raise BundleError(f"{name}: {self.path.name} has no {precision} network; use fp32")
        return self.path / name

    def identity(self) -> dict[str, str]:
        """Name, version and scheme, as every reply carries them."""
        return {"name": self.manifest.name, "version": self.manifest.version, "scheme": self.scheme.name}

    def licence_text(self) -> str:
        """The licence of the weights."""
        return (self.path / "LICENSE").read_text(encoding="utf-8")


def _known(windows: Mapping[str, Any]) -> dict[str, Any]:
    # Bundles of version 0.2 say that they share no layers between targets, the only number there ever was.
    return {name: value for name, value in windows.items() if (name, value) != ("shared_layers", 0)}


def save(target: Path, fields: Mapping[str, Any], write: Callable[[Path], None]) -> Bundle:
    """Write a bundle at once or not at all.

    `write` puts every file but bundle.json into the folder it is given, a temporary sibling of `target`;
    `fields` are the manifest's (`Manifest.fields`), less the format, the hashes and the text versions. The folder
    is verified by loading it, then takes the place of `target`.

    Raises:
        BundleError: what was written does not load.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        write(temporary)
        files = {p.name: _sha256(p) for p in sorted(temporary.iterdir())}
        manifest = Manifest(
            format=FORMAT,
            files=files,
            normaliser_version=text.VERSION,
            segmenter_version=segment.VERSION,
            **fields,
        )
        (temporary / MANIFEST).write_text(
            json.dumps(manifest.model_dump(), ensure_ascii=False, indent=1, sort_keys=True) + "\n",
            encoding="utf-8",
        )
        temporary.chmod(0o755)
        for file in temporary.iterdir():
            file.chmod(0o644)
        Bundle.load(temporary)
        _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle.load(target)


def _replace(new: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _read_manifest(path: Path) -> tuple[Manifest, bytes]:
    if not path.is_dir():
        raise BundleError(f"{path}: no such bundle folder")
    try:
        raw = (path / MANIFEST).read_bytes()
        data = json.loads(raw)
    except FileNotFoundError as error:
        raise BundleError(f"{path / MANIFEST}: missing; {path} is not a bundle") from error
    except ValueError as error:
        raise BundleError(f"{path / MANIFEST}: not JSON (truncated?)") from error
    if not isinstance(data, dict) or "format" not in data:
        raise BundleError(f"{path / MANIFEST}: format: missing; {path} is not a bundle")
    if data["format"] != FORMAT:
        raise BundleError(
            f"{path / MANIFEST}: format: {data['format']!r} is not one that this version of Qawl reads ({FORMAT})"
        )
    try:
        return Manifest.model_validate(data), raw
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path / MANIFEST}: {where}: {first['msg']}") from error


def _verify_files(path: Path, files: Mapping[str, str]) -> None:
    for name in REQUIRED:
        if name not in files:
            raise BundleError(f"{path / MANIFEST}: files: {name} is not listed")
    present = {p.name for p in path.iterdir()}
    if unknown := sorted(present - set(files) - {MANIFEST}):
        raise BundleError(f"{path / unknown[0]}: not a file of this bundle")
    for name, digest in files.items():
        if name not in (*REQUIRED, *OPTIONAL):
            raise BundleError(f"{path / MANIFEST}: files: {name}: not a file that bundles have")
        if name not in present:
            raise BundleError(f"{path / name}: missing")
        if _sha256(path / name) != digest:
            raise BundleError(f"{path / name}: differs from its sha256 in {MANIFEST} (truncated or changed)")


def _check_versions(manifest: Manifest, scheme: Scheme) -> None:
    if manifest.normaliser not in text.NORMALISERS:
        allowed = ", ".join(sorted(text.NORMALISERS))
        raise BundleError(f"{MANIFEST}: normaliser: {manifest.normaliser!r} is not one of {allowed}")
    if manifest.normaliser_version != text.VERSION:
        raise BundleError(
            f"{MANIFEST}: normaliser_version: {manifest.normaliser_version!r}, but this code has {text.VERSION!r}"
        )
    if set(manifest.calibration.thresholds) != set(scheme.type_ids):
        raise BundleError(f"{MANIFEST}: calibration.thresholds: not the claim types of the scheme")
    if set(manifest.calibration.types) != {*scheme.type_ids, NONE}:
        raise BundleError(f"{MANIFEST}: calibration.types: not the claim types of the scheme and {NONE}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
