"""`qawl ablate CONFIG VARIANTS`: trains a run's variants side by side and says what each choice is worth on dev."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from models.errors import ConfigError
from training.config import Run, read_run, with_settings
from training.corpora import Corpus, Name
from training.predict import cross_fitted_scores, predict
from training.strict import Strict, read_toml
from training.train import fit_network, prepare


class Variant(Strict):
    """What a variant changes in the run.

    `settings` are dotted names and values; corpora named in `without` are left out; `weights` are the weights of
    articles by id prefix, corpus by corpus; `compose = false` leaves pairs alone; `context = false` reads each dev
    sentence alone.
    """

    settings: dict[str, Any] = {}
    without: list[Name] = []
    weights: dict[Name, dict[str, float]] = {}
    compose: bool = True
    context: bool = True

    def of(self, run: Run) -> Run:
        """The run with the changes.

        Raises:
            ConfigError: a setting or a corpus that the run does not have.

        """
        names = {corpus.name for corpus in run.corpora if corpus.split == "train"}
        for field, named in (("without", self.without), ("weights", self.weights)):
            if unknown := set(named) - names:
                raise ConfigError(f"{field}: {', '.join(sorted(unknown))}: must be among {', '.join(sorted(names))}")
        changed = with_settings(run, self.settings)
        corpora = [
            self._of_corpus(corpus)
            for corpus in changed.corpora
            if corpus.split != "train" or corpus.name not in self.without
        ]
        return changed.model_copy(update={"corpora": corpora})

    def _of_corpus(self, corpus: Corpus) -> Corpus:
        changes: dict[str, Any] = {} if self.compose else {"compose": None}
        if corpus.split == "train" and corpus.name in self.weights:
            changes["weights"] = self.weights[corpus.name]
        return corpus.model_copy(update=changes)


class Ablation(Strict):
    """The variants by name, and settings that all of them share (fewer epochs, say)."""

    settings: dict[str, Any] = {}
    variants: Annotated[dict[str, Variant], Field(min_length=1)]


def ablate(config: Path, variants: Path, results: Path | None = None) -> Iterator[dict[str, Any]]:
    """Train every variant with every seed of the run; yields a line a network, those of an earlier call first.

    Lines are kept in `results` (default: `runs/out/NAME-ablate/results.jsonl`), and what stands there is not trained
    again. Dev scores are macro-F1; one half of the dev articles is decided by a calibration fitted on the other.

    Raises:
        ConfigError, DataError: the config, a variant or a corpus cannot be used.

    """
    ablation = read_toml(variants, Ablation)
    base = with_settings(read_run(config), ablation.settings)
    runs = {name: variant.of(base) for name, variant in ablation.variants.items()}
    work = Path("runs/out") / f"{base.name}-ablate"
    results = results or work / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    yield from known
    done = {(line["variant"], line["seed"]) for line in known}
    for name, run in runs.items():
        missing = [seed for seed in run.seeds if (name, seed) not in done]
        prepared = prepare(run, config.parent) if missing else None
        for seed in missing:
            assert prepared is not None
            began = time.monotonic()
            network = fit_network(prepared, prepared.train, seed, work / f"{name}-{seed}")
            predicted = predict(network, prepared.dev, context=ablation.variants[name].context)
            scores = cross_fitted_scores(predicted, prepared.scheme)
            minutes = (time.monotonic() - began) / 60
            line = {"variant": name, "seed": seed, **{k: round(v, 4) for k, v in scores.items()}}
            line["minutes"] = round(minutes, 1)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            yield line
