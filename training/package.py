"""From a trained network to a bundle: export, parity, report, card, provenance."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from models import bundle as bundles
from models.bundle import ONNX, STANCE, Bundle
from models.calibrate import Calibration
from models.card import card
from models.engines.onnx import OnnxEngine
from models.engines.torch import TorchEngine
from models.errors import BundleError, ConfigError
from models.network import Network
from models.windows import windows
from training.config import CALIBRATE, Run
from training.data import Loaded
from training.encoders import Source
from training.evaluate import Options, evaluate
from training.export import TOLERANCE, export_onnx, largest_difference, quantise
from training.figures import figures
from training.gate import int8_gate
from training.normal import key
from training.reads import EncodedArticle
from training.revision import revision

log = logging.getLogger(__name__)

NETWORK = ("config.json", "model.safetensors", "tokenizer.json", ONNX["fp32"])
LIBRARIES = ("torch", "transformers", "tokenizers", "onnxruntime", "numpy", "scikit-learn", "datasets")


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's result: the network of the best seed, its calibration, the dev articles and scores on them.

    `averaged` is the number of networks that its weights are the mean of.
    """

    network: Network
    calibration: Calibration
    dev_articles: Sequence[EncodedArticle]
    dev: dict[str, float]
    seed: int
    seeds: dict[str, dict[str, float]]
    averaged: int = 1


def package(run: Run, config: Path, source: Source, loaded: Sequence[Loaded], trained: Trained, work: Path) -> Bundle:
    """Write the bundle of a run to its `output`; a draft of it in `work` is measured first, as it will serve.

    Raises:
        BundleError: the exported network differs from torch's, or the folder does not load.

    """
    fields = manifest_fields(run, source, loaded, trained)
    texts = {"report.json": "{}\n", "README.md": "", "LICENSE": licence_text(run, config.parent)}
    weaknesses = _text("weaknesses_file", run.weaknesses_file, config.parent) if run.weaknesses_file else ""

    def write_draft(folder: Path) -> None:
        write_network(trained.network, source, folder, half=run.half_weights)
        quantise(folder / ONNX["fp32"], folder / ONNX["int8"])
        _write_texts(folder, texts)

    draft = bundles.save(work / "draft", fields, write_draft)
    measured = [corpus for corpus in run.corpora if corpus.split not in ("train", CALIBRATE)]
    learnt = [c for c in run.corpora if c.split == "train" and c.name in run.baselines]
    options = Options(baselines=bool(learnt), train=learnt)
    report = evaluate(draft.path, measured, options, root=config.parent)
    exact, small = (draft.path / ONNX[precision] for precision in ("fp32", "int8"))
    gate = int8_gate(exact, small, source.spec, trained.dev_articles, trained.calibration, run.scheme())
    fields["metrics"] |= {"report": report.summary, "int8": gate.figures()}
    log.info("%s", gate.sentence())
    texts["report.json"] = report.to_json()
    texts["README.md"] = card(fields, data_table(loaded), figures(report.data), weaknesses)

    def write(folder: Path) -> None:
        for name in draft.manifest.files:
            if name in NETWORK or name == STANCE or (name == ONNX["int8"] and gate.passed):
                shutil.copyfile(draft.path / name, folder / name)
        _write_texts(folder, texts)

    return bundles.save((config.parent / run.output).resolve(), fields, write)


def manifest_fields(run: Run, source: Source, loaded: Sequence[Loaded], trained: Trained) -> dict[str, Any]:
    """What bundle.json says, less what `bundle.save` writes by itself."""
    return {
        "name": run.name,
        "version": run.version,
        "scheme": run.scheme().to_json(),
        "normaliser": run.encoder.normaliser,
        "windows": source.spec.to_json(),
        "calibration": trained.calibration,
        "encoder": source.name,
        "licence": run.licence,
        "provenance": provenance(run, loaded, trained.seed),
        "metrics": {"dev": trained.dev, "seeds": trained.seeds, "seed": trained.seed, "averaged": trained.averaged},
    }


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def write_network(network: Network, source: Source, folder: Path, *, half: bool = False) -> None:
    """config.json, model.safetensors, tokenizer.json and model.onnx, whose logits must equal torch's.

    With `half` the weights are rounded to half precision first, and every engine runs the rounded ones.
    """
    network = network.eval().cpu()
    if half:
        network = network.half()
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    network = network.float()
    config = network.encoder.config.to_dict()
    for private in ("_name_or_path", "transformers_version", "_attn_implementation", "attn_implementation"):
        config.pop(private, None)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    source.tokenizer.save(str(folder / "tokenizer.json"))
    export_onnx(network, folder / "model.onnx")
    check_parity(network, folder / "model.onnx")


def check_parity(network: Network, exported: Path) -> None:
    """Compare the exported network with torch's on windows of many lengths."""
    spec = network.spec
    size = int(network.encoder.config.vocab_size)
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
        "commit": revision(),
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


def licence_text(run: Run, root: Path) -> str:
    """What the bundle's LICENSE says: the run's file, or its one line.

    Raises:
        ConfigError: the file cannot be read.

    """
    if run.licence_file is None:
        return run.licence.strip() + "\n"
    return _text("licence_file", run.licence_file, root)


def _text(field: str, name: str, root: Path) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{field}: {name}: {error.strerror or 'cannot be read'}") from error
