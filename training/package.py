"""From a trained network to a bundle: export, parity, report, card, provenance."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from models import bundle as bundles
from models.bundle import Bundle
from models.calibrate import Calibration
from models.card import card
from models.engines.onnx import OnnxEngine
from models.engines.torch import TorchEngine
from models.errors import BundleError
from models.network import Network
from models.windows import windows
from training.config import Run
from training.data import Loaded
from training.encoders import Source
from training.export import TOLERANCE, export_onnx, largest_difference
from training.normal import key

LIBRARIES = ("torch", "transformers", "tokenizers", "onnxruntime", "numpy", "scikit-learn", "datasets")


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's result: the network of the best seed, its calibration and dev scores."""

    network: Network
    calibration: Calibration
    dev: dict[str, float]
    seed: int
    seeds: dict[str, dict[str, float]]


def package(run: Run, config: Path, source: Source, loaded: Sequence[Loaded], trained: Trained) -> Bundle:
    """Write the bundle of a run to its `output`.

    Raises:
        BundleError: the exported network differs from torch's, or the folder does not load.

    """
    output = (config.parent / run.output).resolve()
    metrics = {"dev": trained.dev, "seeds": trained.seeds, "seed": trained.seed}
    fields: dict[str, Any] = {
        "name": run.name,
        "version": run.version,
        "scheme": run.scheme().to_json(),
        "normaliser": run.encoder.normaliser,
        "windows": source.spec.to_json(),
        "calibration": trained.calibration,
        "encoder": source.name,
        "licence": run.licence,
        "provenance": provenance(run, loaded, trained.seed),
        "metrics": metrics,
    }

    def write(folder: Path) -> None:
        write_network(trained.network, source, folder)
        (folder / "report.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card(fields, data_table(loaded)), encoding="utf-8")
        _licence(run, config.parent, folder)

    return bundles.save(output, fields, write)


def write_network(network: Network, source: Source, folder: Path) -> None:
    """config.json, model.safetensors, tokenizer.json and model.onnx, whose logits must equal torch's."""
    network = network.eval().cpu().float()
    config = network.encoder.config.to_dict()
    for private in ("_name_or_path", "transformers_version"):
        config.pop(private, None)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    save_file({name: t.contiguous() for name, t in network.state_dict().items()}, folder / "model.safetensors")
    source.tokenizer.save(str(folder / "tokenizer.json"))
    export_onnx(network, folder / "model.onnx")
    check_parity(network, folder / "model.onnx")


def check_parity(network: Network, exported: Path) -> None:
    """Compare the exported network with torch's on windows of many lengths."""
    spec = network.spec
    size = network.encoder.get_input_embeddings().num_embeddings
    lengths = (1, 3, 9, 0, 30, 60)
    sentences = [np.asarray(np.arange(n) * 7919 % size, dtype=np.int32) for n in lengths]
    found = windows(sentences, sentences[2], spec) + windows(sentences, None, spec, context=False)
    difference = largest_difference(OnnxEngine(exported, spec), TorchEngine(network, "cpu"), found)
    if difference > TOLERANCE:
        raise BundleError(f"model.onnx: differs from torch by {difference:.1e}, at most {TOLERANCE} is allowed")


def provenance(run: Run, loaded: Sequence[Loaded], seed: int) -> dict[str, Any]:
    """How the bundle was made: resolved config, code commit, data fingerprints, library versions, seed."""
    return {
        "config": run.model_dump(),
        "commit": commit(),
        "data": {f"{one.corpus.name}/{one.corpus.split}": fingerprint(one) for one in loaded},
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "seed": seed,
    }


def fingerprint(loaded: Loaded) -> dict[str, Any]:
    """Number of articles and sentences, and a hash of their normalised texts."""
    digest = hashlib.sha256()
    for article in loaded.articles:
        digest.update(key(s.text for s in article.sentences).encode())
    return {
        "articles": len(loaded.articles),
        "sentences": sum(len(article.sentences) for article in loaded.articles),
        "sha256": digest.hexdigest(),
    }


def commit() -> str:
    """The checkout's commit, with `+changes` if files differ from it; `unknown` outside one."""
    here = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return "unknown"
    head = subprocess.run([git, "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    dirty = subprocess.run(
        [git, "status", "--porcelain", "--untracked-files=no"], cwd=here, capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def data_table(loaded: Sequence[Loaded]) -> list[dict[str, Any]]:
    """What a card says of each corpus."""
    return [
        {
            "name": one.corpus.name,
            "split": one.corpus.split,
            "articles": len(one.articles),
            "sentences": sum(len(article.sentences) for article in one.articles),
            "licence": one.corpus.licence or "not stated",
            "url": one.corpus.url,
        }
        for one in loaded
    ]


def _licence(run: Run, root: Path, folder: Path) -> None:
    if run.licence_file is not None:
        shutil.copyfile(root / run.licence_file, folder / "LICENSE")
    else:
        (folder / "LICENSE").write_text(run.licence.strip() + "\n", encoding="utf-8")
