"""`qawl build`: any bundle becomes a bento, the same file tree from the same commit and bundle."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from models.bundle import SHIPPED, Bundle
from models.errors import ConfigError
from service.sbom import bill

ROOT = Path(__file__).resolve().parent.parent
_NOT_STAGED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "compact")


def build(bundle: Path | None = None, *, gpu: bool = False, output: Path | None = None) -> Path:
    """Pack a bundle (the shipped one if none is named) into a bento and return the bento's folder.

    It lands in BentoML's store, under a version made of the bundle's; with `output` it is moved there (the
    folder must not exist). `gpu` packs the torch engine and its requirements.

    Raises:
        BundleError: the bundle cannot be loaded.
        ConfigError: `output` exists, or BentoML cannot build.

    """
    checked = Bundle.load(bundle or SHIPPED)
    if output is not None and output.exists():
        raise ConfigError(f"--output: {output} exists already")
    with tempfile.TemporaryDirectory(prefix="qawl-build-") as folder:
        stage = Path(folder) / "stage"
        _stage(stage, checked, gpu=gpu)
        environment = dict(os.environ)
        if output is not None:
            environment["BENTOML_HOME"] = str(Path(folder) / "home")
        built = _bentoml(stage, f"qawl:{_version(checked, gpu=gpu)}", environment)
        _forget_the_hour(built / "bento.yaml")
        if output is None:
            return built
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built, output)
        return output


def _stage(stage: Path, bundle: Bundle, *, gpu: bool) -> None:
    """The files of the bento as a working tree, so that nothing else of the checkout can slip in."""
    for name in ("models", "service"):
        shutil.copytree(ROOT / name, stage / name, ignore=_NOT_STAGED)
    (stage / "models" / "compact").mkdir()
    for name in ("bundle.json", *bundle.manifest.files):
        shutil.copyfile(bundle.path / name, stage / "models" / "compact" / name)
    lock = (ROOT / "requirements" / ("gpu.txt" if gpu else "serve.txt")).read_text(encoding="utf-8")
    (stage / "requirements").mkdir()
    (stage / "requirements" / "serve.txt").write_text(lock, encoding="utf-8")
    shutil.copyfile(ROOT / "LICENSE", stage / "LICENSE")
    (stage / "sbom.cdx.json").write_text(bill(lock, bundle), encoding="utf-8")
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    recipe["labels"] = {"bundle": bundle.manifest.name, "fingerprint": bundle.fingerprint}
    if gpu:
        recipe["exclude"].remove("models/network.py")
        recipe["envs"].append({"name": "QAWL_ENGINE", "value": "torch"})
    (stage / "bentofile.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    for path in stage.rglob("*"):
        # One modification time and one mode: a tree of the same commit is the same to the last bit.
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (0, 0))


def _forget_the_hour(manifest: Path) -> None:
    """The time of the build is the one thing in a bento that the commit does not determine."""
    text = manifest.read_text(encoding="utf-8")
    text = re.sub(r"^creation_time: .*$", "creation_time: '1970-01-01T00:00:00+00:00'", text, flags=re.MULTILINE)
    manifest.write_text(text, encoding="utf-8")


def _version(bundle: Bundle, *, gpu: bool) -> str:
    """A BentoML version: the bundle's, its fingerprint's first digits, and whether it needs a GPU."""
    text = f"{bundle.manifest.name}-{bundle.manifest.version}-{bundle.fingerprint[:12]}{'-gpu' if gpu else ''}"
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())


def _bentoml(stage: Path, tag: str, environment: dict[str, str]) -> Path:
    """Run BentoML in a process of its own: in this one, `service` is the checkout's and not the staged one."""
    script = (
        "import sys, bentoml\n"
        "from bentoml.exceptions import NotFound\n"
        "tag = sys.argv[1]\n"
        "try:\n"
        "    bentoml.delete(tag)\n"
        "except NotFound:\n"
        "    pass\n"
        "name, version = tag.split(':')\n"
        "bento = bentoml.bentos.build_bentofile('bentofile.yaml', version=version, build_ctx='.')\n"
        "sys.stderr.write('\\n' + bento.path + '\\n')\n"
    )
    clean = {name: value for name, value in environment.items() if not name.startswith("QAWL_")}
    clean |= {"BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(stage), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", script, tag], cwd=stage, env=clean, capture_output=True, text=True, check=False
    )
    last = (ended.stderr.strip().splitlines() or ["no output"])[-1]
    if ended.returncode:
        raise ConfigError(f"bentoml build failed: {last}")
    return Path(last)
