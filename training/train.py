"""`qawl train CONFIG.toml`: corpora in, a calibrated bundle out."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch
from transformers import set_seed

from models.apart import build_network
from models.bundle import Bundle
from models.calibrate import Calibration
from models.engines import Heads
from models.errors import ConfigError
from models.labels import Scheme
from models.network import Network
from models.text import NORMALISERS
from training.articles import LabelledArticle
from training.calibrate import Predicted, fit
from training.config import CALIBRATE, Run, read_run
from training.data import Loaded, load_splits
from training.encoders import Source, resolve
from training.package import Trained, package
from training.predict import dev_scores, predict
from training.reads import EncodedArticle, Reads, encode_articles
from training.trainer import make_trainer, readings_a_step

log = logging.getLogger(__name__)

SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs before its first step."""

    run: Run
    scheme: Scheme
    source: Source
    loaded: list[Loaded]
    train: list[EncodedArticle]
    dev: list[EncodedArticle]
    calibrate: list[EncodedArticle] = field(default_factory=list)


def train(path: Path, *, resume: bool = False, work: Path | None = None, seed: int | None = None) -> Bundle | None:
    """Train as the TOML at `path` says and write its bundle.

    Checkpoints and logs go to `work` (default: `runs/out/NAME` beside the checkout's runs); with `resume` a run
    goes on from its last checkpoint. Under torchrun every process trains, and all but the first return None.
    With `seed` only that one of the run's seeds is trained, and nothing is written but its checkpoints: so several can
    be trained side by side, and a last call with `resume` makes the bundle of them.

    Raises:
        ConfigError, DataError: the run or a corpus cannot be used.
        BundleError: the result does not load.

    """
    run = read_run(path)
    if seed is not None and seed not in run.seeds:
        raise ConfigError(f"--seed {seed}: must be one of the seeds of {path}: {', '.join(map(str, run.seeds))}")
    work = work or Path("runs/out") / run.name
    prepared = prepare(run, path.parent)
    alike = prepared.source.bundle is not None
    if run.optimisation.average and not run.folds() and not alike:
        raise ConfigError(f"{path}: optimisation.average: true: seeds start alike only where encoder.path is a bundle")
    if seed is not None:
        _train_seed(prepared, seed, work, resume=resume)
        return None
    candidates = [_train_seed(prepared, one, work, resume=resume) for one in run.seeds]
    best = max(candidates, key=lambda c: c.scores[run.optimisation.metric])
    predicted: list[Predicted] = []
    folds: list[Network] = []
    if not prepared.calibrate:
        predicted, folds = _out_of_fold(prepared, work, resume=resume)
    if not _is_first_process():
        return None
    if run.optimisation.average:
        averaged = _averaged(prepared, [c.network for c in (candidates if alike else candidates[:1])] + folds)
        best = max(best, averaged, key=lambda c: c.scores[run.optimisation.metric])
    calibration = fit(predicted or predict(best.network, prepared.calibrate), prepared.scheme)
    trained = Trained(
        network=best.network,
        calibration=calibration,
        dev_articles=prepared.dev,
        dev=dev_scores(predict(best.network, prepared.dev), calibration, prepared.scheme),
        seed=best.seed,
        seeds=summary([c.scores for c in candidates]),
        averaged=best.averaged,
    )
    return package(run, path, prepared.source, prepared.loaded, trained, work)


def prepare(run: Run, root: Path) -> Prepared:
    """Read a run's corpora, find its encoder and tokenise everything once."""
    scheme = run.scheme()
    loaded = load_splits(run.corpora, root, scheme=scheme)
    for one in loaded:
        for problem in one.problems[:SHOWN_PROBLEMS]:
            log.warning("%s", problem)
        if one.problems:
            log.warning("%s: %d bad rows are left out; qawl data check lists them", one.corpus.name, len(one.problems))
    normalise = NORMALISERS[run.encoder.normaliser]
    splits = [_of_split(loaded, split) for split in ("train", "dev", CALIBRATE)]
    texts = (normalise(text) for article in splits[0] for text in texts_of(article))
    source = resolve(run.encoder, run.windows, root, texts)
    encoded = [encode_articles(articles, source.tokenizer, normalise) for articles in splits]
    return Prepared(run, scheme, source, loaded, *encoded)


def texts_of(article: LabelledArticle) -> list[str]:
    """Every text of an article: its sentences and its targets."""
    return [*(sentence.text for sentence in article.sentences), *article.targets]


@dataclass(frozen=True, slots=True)
class _Candidate:
    network: Network
    scores: dict[str, float]
    seed: int
    averaged: int = 1


def _train_seed(prepared: Prepared, seed: int, work: Path, *, resume: bool) -> _Candidate:
    folder = work / f"seed-{seed}"
    network = fit_network(prepared, prepared.train, seed, folder, resume=resume)
    scores = _uncalibrated(prepared, network)
    log.info("seed %d: %s", seed, json.dumps(scores))
    return _Candidate(network, scores, seed)


def _averaged(prepared: Prepared, networks: Sequence[Network]) -> _Candidate:
    """Mean of the weights of networks that started alike (a model soup, Wortsman et al. 2022)."""
    weights = [network.state_dict() for network in networks]
    # A copy: where the mean is no better, the first network is kept as it was.
    averaged = copy.deepcopy(networks[0])
    averaged.load_state_dict({name: torch.stack([w[name] for w in weights]).mean(dim=0) for name in weights[0]})
    scores = _uncalibrated(prepared, averaged)
    log.info("weights averaged over %d networks: %s", len(networks), json.dumps(scores))
    return _Candidate(averaged, scores, prepared.run.seeds[0], len(networks))


def _uncalibrated(prepared: Prepared, network: Network) -> dict[str, float]:
    return dev_scores(predict(network, prepared.dev), Calibration.neutral(prepared.scheme), prepared.scheme)


def fit_network(
    prepared: Prepared,
    articles: Sequence[EncodedArticle],
    seed: int,
    folder: Path,
    *,
    resume: bool = False,
    score: Callable[[Network], dict[str, float]] | None = None,
) -> Network:
    """Train one network on `articles`; the same arguments give the same weights."""
    run = prepared.run
    set_seed(seed)
    heads = Heads(len(prepared.scheme.types))
    dropout = run.optimisation.dropout
    network = build_network(prepared.source.build(dropout), heads, prepared.source.spec, dropout)
    prepared.source.start_heads(network)
    reads = readings(prepared, articles, seed)
    on_dev = partial(_uncalibrated, prepared)
    trainer = make_trainer(run, network, reads, score or on_dev, folder, seed=seed)
    last = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1])) if resume else []
    trainer.train(resume_from_checkpoint=str(last[-1]) if last else None)
    # The Trainer's forward runs in the precision of the training; what is measured and exported must not.
    trained: Network = trainer.accelerator.unwrap_model(network, keep_fp32_wrapper=False, keep_torch_compile=False)
    return trained


def readings(prepared: Prepared, articles: Sequence[EncodedArticle], seed: int) -> Reads:
    """What a network reads in the run, whole steps of it."""
    run = prepared.run
    return Reads(
        articles,
        prepared.source.spec,
        run.crops,
        epochs=run.optimisation.epochs,
        seed=seed,
        multiple=readings_a_step(run.optimisation),
    )


def _out_of_fold(prepared: Prepared, work: Path, *, resume: bool) -> tuple[list[Predicted], list[Network]]:
    """Predictions of each calibration article by a network that has not seen it, and these networks."""
    wanted = set(prepared.run.calibration.corpora)
    folds = prepared.run.calibration.folds
    held = [[] for _ in range(folds)]  # type: list[list[EncodedArticle]]
    for i, article in enumerate(a for a in prepared.train if not wanted or a.article.corpus in wanted):
        held[i % folds].append(article)
    found: list[Predicted] = []
    networks: list[Network] = []
    for k, fold in enumerate(held):
        ids = {id(article) for article in fold}
        rest = [article for article in prepared.train if id(article) not in ids]
        network = fit_network(prepared, rest, prepared.run.seeds[0], work / f"fold-{k}", resume=resume)
        found += predict(network, fold)
        networks.append(network)
    return found, networks


def summary(scores: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over seeds of each dev score."""
    return {
        name: {
            "mean": fmean(s[name] for s in scores),
            "sd": stdev(s[name] for s in scores) if len(scores) > 1 else 0.0,
        }
        for name in scores[0]
    }


def _of_split(loaded: Sequence[Loaded], split: str) -> list[LabelledArticle]:
    return [article for one in loaded if one.corpus.split == split for article in one.articles]


def _is_first_process() -> bool:
    return int(os.environ.get("RANK", "0")) == 0
